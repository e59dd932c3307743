"""The live schema is the declared one, and a difference in any part of it is seen."""

from __future__ import annotations

import pytest

from core.clickhouse.client import connect, database_of
from core.settings import Settings
from schemas.declared import diff
from schemas.migrate import migrate

pytestmark = pytest.mark.engines


@pytest.fixture
def migrated(fresh: Settings) -> Settings:
    migrate(fresh)
    return fresh


def test_a_migrated_database_is_the_declared_one(migrated: Settings) -> None:
    assert diff(migrated) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "ALTER TABLE sessions ADD COLUMN surplus String",
            "column sessions.surplus exists and is not declared",
        ),
        (
            "ALTER TABLE events DROP COLUMN meta",
            "column events.meta is declared and missing",
        ),
        (
            "ALTER TABLE events MODIFY COLUMN position UInt32",
            "column events.position: type is 'UInt32', declared 'UInt16'",
        ),
        (
            "ALTER TABLE events COMMENT COLUMN object_id 'other'",
            "column events.object_id: comment is 'other', declared",
        ),
        (
            "ALTER TABLE events MODIFY COLUMN object_id CODEC(ZSTD(9))",
            "column events.object_id: compression codec is 'CODEC(ZSTD(9))'",
        ),
        (
            "ALTER TABLE events MODIFY COLUMN object_id DEFAULT 'x'",
            "column events.object_id: default kind is 'DEFAULT', declared ''",
        ),
        (
            "ALTER TABLE unjoined_events MODIFY TTL toDateTime(received_at) + INTERVAL 1 DAY",
            "table unjoined_events: engine full is",
        ),
        (
            "ALTER TABLE sessions MODIFY COMMENT 'other'",
            "table sessions: comment is 'other', declared",
        ),
        (
            "ALTER TABLE events MODIFY SETTING min_age_to_force_merge_seconds = 1",
            "table events: engine full is",
        ),
        (
            "CREATE OR REPLACE VIEW impressions AS SELECT session_id FROM sessions",
            "table impressions: as select is",
        ),
        ("DROP TABLE dead_letters", "table dead_letters is declared and missing"),
        ("CREATE TABLE x (y Int8) ENGINE = Memory", "table x exists and is not declared"),
    ],
)
def test_a_change_by_hand_is_seen(migrated: Settings, change: str, expected: str) -> None:
    with connect(migrated) as client:
        client.command(change)
    assert any(difference.startswith(expected) for difference in diff(migrated))


def test_another_sort_key_engine_or_partition_is_seen(migrated: Settings) -> None:
    with connect(migrated) as client:
        client.command("DROP TABLE session_marks SYNC")
        client.command(
            "CREATE TABLE session_marks (session_id String) ENGINE = MergeTree"
            " PARTITION BY session_id ORDER BY (session_id, session_id || 'x')"
        )
    found = "\n".join(diff(migrated))
    for what in ("engine is 'MergeTree'", "partition key is", "sorting key is"):
        assert f"table session_marks: {what}" in found


def test_nothing_is_left_behind(migrated: Settings) -> None:
    diff(migrated)
    with connect(migrated) as client:
        query = "SELECT count() FROM system.databases WHERE startsWith(name, {name:String})"
        parameters = {"name": f"{database_of(migrated)}_"}
        assert client.query(query, parameters=parameters).result_rows == [(0,)]
