"""Refuse settings that nobody reads: a misspelt name would leave a default in force, in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from core.errors import SetupError
from core.nearest_name import nearest_name
from core.settings import Settings

_PREFIX: Final = "CLICKSTREAM_"
# Read elsewhere: the download cache, and what docker-compose.yml makes ClickHouse's URL of.
_OTHERS: Final = frozenset({"CLICKSTREAM_CACHE_DIR", "CLICKSTREAM_CLICKHOUSE_PASSWORD"})
_FREE: Final = ("CLICKSTREAM_KAFKA__", "CLICKSTREAM_TEST_")


def refuse_unknown_settings(environment: Mapping[str, str], env_file: Path) -> None:
    """Raises SetupError, which names every unknown variable of ours and the nearest known one."""
    from dotenv import dotenv_values

    names = {*environment, *(dotenv_values(env_file) if env_file.is_file() else {})}
    known = {*_OTHERS, *_variables(Settings, _PREFIX)}
    unknown = sorted(
        name
        for name in names
        if name.upper().startswith(_PREFIX)
        and name.upper() not in known
        and not name.upper().startswith(_FREE)
    )
    if unknown:
        raise SetupError("; ".join(_hints(unknown, known)))


def _hints(unknown: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    for name in unknown:
        near = nearest_name(name.upper(), known)
        meant = f"did you mean {near}?" if near else "docs/settings.md lists them"
        yield f"there is no setting {name}: {meant}"


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Every variable: those of groups, and the groups themselves, which may be given as JSON."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name.upper()}"
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _variables(inner, f"{prefix}{name.upper()}__")
