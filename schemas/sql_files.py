"""The ClickHouse schema as files: `tables/*.sql`, `views/*.sql`, `migrations/NNNN_name.sql`.

A file of tables/ or views/ makes one object, is named after it, and has its present state. A
migration takes a database of an earlier release to the present state; its statements are separated
by the line `-- next`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

from core.errors import MigrationError

SCHEMAS: Final = Path(__file__).parent

_NEXT: Final = re.compile(r"^-- next$", re.MULTILINE)
_MIGRATION_NAME: Final = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+")
_READ: Final = re.compile(r"\b(?:FROM|JOIN) (\w+)")


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One file. `path` is relative to schemas/, such as `views/impressions.sql`."""

    path: str
    statements: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the table or view that it makes."""
        return Path(self.path).stem

    @property
    def checksum(self) -> str:
        """SHA-256 of the statements. A comment on a line of its own may be changed."""
        return hashlib.sha256("\n-- next\n".join(self.statements).encode()).hexdigest()

    @property
    def reads(self) -> frozenset[str]:
        """Names that stand after FROM or JOIN."""
        return frozenset(name for text in self.statements for name in _READ.findall(text))


@dataclass(frozen=True, slots=True)
class SchemaFiles:
    """All of them. A view stands after the views that it reads."""

    tables: tuple[SqlFile, ...]
    views: tuple[SqlFile, ...]
    migrations: tuple[SqlFile, ...]


def load(root: Path = SCHEMAS) -> SchemaFiles:
    """Read the files below `root`. Raises MigrationError when they break a rule of their folder."""
    tables, views, migrations = (
        tuple(_read(root, file) for file in sorted((root / folder).glob("*.sql")))
        for folder in ("tables", "views", "migrations")
    )
    for file in tables:
        _check_object(file, f"CREATE TABLE IF NOT EXISTS {file.name}")
    for file in views:
        _check_object(file, f"CREATE OR REPLACE VIEW {file.name}")
    _check_numbers(migrations)
    return SchemaFiles(tables, _in_order(views), migrations)


def _read(root: Path, file: Path) -> SqlFile:
    statements = (_without_comments(part) for part in _NEXT.split(file.read_text(encoding="utf-8")))
    return SqlFile(
        file.relative_to(root).as_posix(), tuple(statement for statement in statements if statement)
    )


def _without_comments(sql: str) -> str:
    lines = (line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(lines).strip().removesuffix(";")


def _check_object(file: SqlFile, beginning: str) -> None:
    if len(file.statements) != 1 or not re.match(rf"{beginning}\b", file.statements[0]):
        raise MigrationError(f"{file.path} must be one statement that begins with `{beginning}`")


def _check_numbers(migrations: Sequence[SqlFile]) -> None:
    for place, file in enumerate(migrations, start=1):
        match = _MIGRATION_NAME.fullmatch(file.name)
        if match is None:
            raise MigrationError(f"{file.path} is not named NNNN_name.sql")
        if int(match["number"]) != place:
            raise MigrationError(f"{file.path}: numbers must run from 0001 without gaps")


def _in_order(views: Sequence[SqlFile]) -> tuple[SqlFile, ...]:
    by_name = {view.name: view for view in views}
    graph = {name: sorted(view.reads & by_name.keys()) for name, view in by_name.items()}
    return tuple(by_name[name] for name in TopologicalSorter(graph).static_order())
