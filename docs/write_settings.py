"""Write docs/settings.md from `core.settings.Settings`; `--check` only compares.

One row per environment variable, in the order of the code. Run it by `make docs`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from core.settings import Settings

PAGE = Path(__file__).with_name("settings.md")

INTRODUCTION = """\
# Settings

Every process reads the same settings, from the environment or from a file `.env` in its working
directory. Groups are joined by two underscores. This page is written from the code by `make docs`,
and a test compares them.

`CLICKSTREAM_KAFKA__<option>` passes any librdkafka option through, its dots as underscores:
`CLICKSTREAM_KAFKA__security_protocol=SASL_SSL`. Keys are lists separated by commas, so that one can
be rotated out while the other is already in use; [security.md](security.md) has the form of a key,
and says what the limits do.

| Variable | Default | What it is |
|---|---|---|
"""


def variables(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    """Name and field of every variable, groups flattened."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from variables(inner, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}", field


def shown_default(field: FieldInfo) -> str:
    """The default as one would write it in the environment; a dash for none."""
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = ",".join(value)
    return f"`{value}`" if value not in ((), {}, "", None) else "–"


def page() -> str:
    """The whole page."""
    rows = (
        f"| `{name}` | {shown_default(field)} | {field.description or ''} |\n"
        for name, field in variables(Settings, "CLICKSTREAM_")
    )
    return INTRODUCTION + "".join(rows)


def main() -> int:
    """0 when the page is, or was made, what the code says."""
    wanted = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text("utf-8") == wanted
        if not same:
            print(f"{PAGE} is not what the code says: run `make docs`", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
