"""What each process and each person may do in ClickHouse: one file per role in `schemas/grants/`.

The local ClickHouse gives exactly these to the users that `clickstream up` runs its processes
with, so every test of the whole system shows that they suffice. For one's own server
`clickstream grants` prints them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Final

from core.clickhouse.layout import Layout
from schemas.cluster_sql import OF_SESSIONS, SHARDED

_FOLDER: Final = Path(__file__).parent / "grants"

# An analyst changes nothing, whatever other rights he has, and sees each row once without writing
# FINAL. readonly 2: he may change settings of a query.
ANALYST_SETTINGS: Final = {
    "readonly": 2,
    "final": 1,
    "do_not_merge_across_partitions_select_final": 1,
}


# Searches of one user are on several shards: what a JOIN or IN compares with them goes to all. Else
# ClickHouse refuses it, in some views of ours, too.
_ANALYST_ON_A_CLUSTER: Final = {"distributed_product_mode": "global"}


class Role(StrEnum):
    """Who connects to ClickHouse. Migrations, replays, backups and restores need its owner."""

    EDGE = "edge"
    WORKER = "worker"
    API = "api"
    ANALYST = "analyst"


def grants(role: Role, layout: Layout) -> tuple[str, ...]:
    """The statements, each without its `TO`. On a cluster, the same in both databases, and more."""
    lines = _lines(role, layout.database)
    if not layout.cluster:
        return lines
    of_shards = tuple(line for line in _lines(role, layout.shard_database) if _is_on_shards(line))
    return lines + of_shards + _lines(f"{role}_on_cluster", layout.database)


def analyst_settings(layout: Layout) -> Mapping[str, int | str]:
    """By name, what an analyst's queries run with."""
    return {**ANALYST_SETTINGS, **(_ANALYST_ON_A_CLUSTER if layout.cluster else {})}


def script(role: Role, layout: Layout) -> str:
    """SQL for the owner of a server: makes the role `<database>_<role>` and grants it its rights.

    It can run more than once: a later version adds the rights that a later release needs. On a
    cluster it makes the role on every node.
    """
    name, everywhere = f"{layout.database}_{role}", layout.on_cluster
    settings = ", ".join(f"{name} = {value!r}" for name, value in analyst_settings(layout).items())
    made = f"CREATE ROLE IF NOT EXISTS {name}{everywhere}"
    if role is Role.ANALYST:
        made += f" SETTINGS {settings}"
    given = (f"GRANT{everywhere}{line.removeprefix('GRANT')}" for line in grants(role, layout))
    return "".join(
        f"{statement};\n" for statement in (made, *(f"{each} TO {name}" for each in given))
    )


def _lines(file: str, database: str) -> tuple[str, ...]:
    text = Template((_FOLDER / f"{file}.sql").read_text(encoding="utf-8"))
    lines = text.substitute(database=database).splitlines()
    return tuple(line for line in lines if line and not line.startswith("--"))


def _is_on_shards(grant: str) -> bool:
    """Whether what it is on is in the database of the shards."""
    name = grant.rpartition("_shard.")[2]
    return name != grant and (name == "*" or name in SHARDED or name in OF_SESSIONS)
