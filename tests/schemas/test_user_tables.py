from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clickstream.operations.erasure.subject import byte_patterns
from core import clickhouse
from core.clickhouse.id_batches import id_batches
from schemas.user_tables import COLUMNS, tables_with_user_data

if TYPE_CHECKING:
    from core.settings import Settings

# Judged by a person: none of their columns says anything of a user.
HARMLESS = {
    "_schema_files",
    "_topic_epochs",
    "dead_letter_acts",
    "erasures",
    "erased_sessions",
    "erased_dead_letters",
    "erasure_log",
    "facts_progress",
    "late_joins",
}
TABLES = """
SELECT name FROM system.tables
WHERE database = currentDatabase() AND engine NOT IN ('View', 'MaterializedView')
"""


def test_sessions_go_last() -> None:
    found = tables_with_user_data([("sessions", ["session_id", "user_id"]), ("b", ["user_id"])])
    assert [holder.table for holder in found] == ["b", "sessions"]
    assert [table.keyed_by_session for table in found] == [False, True]


def test_portions_hold_everything_in_order() -> None:
    ids = [f"{n:0200}" for n in range(1_000)]
    parts = list(id_batches(ids))
    assert len(parts) > 1
    assert [id_ for part in parts for id_ in part] == ids
    assert list(id_batches([])) == []


def test_a_short_id_is_not_looked_for_anywhere() -> None:
    assert [bytes.fromhex(each) for each in byte_patterns("7", is_user=True)] == [
        b'"7"',
        b"\x02\x027",
    ]


@pytest.mark.engines
def test_every_table_is_erased_from_or_known_to_be_harmless(settings: Settings) -> None:
    """A new table fails here: give its columns the usual names, or add it to the harmless ones."""
    with clickhouse.connect(settings) as client:
        tables = {name for (name,) in client.query(TABLES).result_rows}
        parameters = {"database": clickhouse.database_of(settings)}
        columns = client.query(COLUMNS, parameters=parameters).result_rows
    holders = tables_with_user_data(columns)
    assert all(holder.keyed_by_session for holder in holders), "reapply knows no users, only hashes"
    held = {holder.table for holder in holders}
    assert tables == held | HARMLESS | {"dead_letters"}
    assert not held & HARMLESS
