"""What each process and each person may do in ClickHouse: one file per role in `schemas/grants/`.

The local ClickHouse gives exactly these to the users that `clickstream up` runs its processes
with, so every test of the whole system shows that they suffice. For one's own server
`clickstream grants` prints them.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Final

_FOLDER: Final = Path(__file__).parent / "grants"

# An analyst changes nothing, whatever other rights he has, and sees each row once without writing
# FINAL. readonly 2: he may change settings of a query.
ANALYST_SETTINGS: Final = {
    "readonly": 2,
    "final": 1,
    "do_not_merge_across_partitions_select_final": 1,
}


class Role(StrEnum):
    """Who connects to ClickHouse. Migrations, replays, backups and restores need its owner."""

    EDGE = "edge"
    WORKER = "worker"
    API = "api"
    ANALYST = "analyst"


def grants(role: Role, database: str) -> tuple[str, ...]:
    """The statements, each without its `TO`. `database` is a name of letters, digits and `_`."""
    text = Template((_FOLDER / f"{role}.sql").read_text(encoding="utf-8"))
    lines = text.substitute(database=database).splitlines()
    return tuple(line for line in lines if line and not line.startswith("--"))


def script(role: Role, database: str) -> str:
    """SQL for the owner of a server: makes the role `<database>_<role>` and grants it its rights.

    It can run more than once: a later version adds the rights that a later release needs.
    """
    name = f"{database}_{role}"
    settings = ", ".join(f"{setting} = {value}" for setting, value in ANALYST_SETTINGS.items())
    made = f"CREATE ROLE IF NOT EXISTS {name}"
    if role is Role.ANALYST:
        made += f" SETTINGS {settings}"
    statements = (made, *(f"{grant} TO {name}" for grant in grants(role, database)))
    return "".join(f"{statement};\n" for statement in statements)
