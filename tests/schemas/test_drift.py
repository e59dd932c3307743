"""The live schema is the declared one, and a difference in any part of it is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from core.clickhouse.client import connect
from core.settings import Settings
from schemas.drift import GOLDEN, differences
from schemas.migrate import migrate
from tests.schemas.write_golden import golden

if TYPE_CHECKING:
    from tests.shared_engines import SharedEngines

pytestmark = pytest.mark.engines


@pytest.fixture
def migrated(fresh: Settings) -> Settings:
    migrate(fresh)
    return fresh


def test_a_new_database_is_as_golden_json_has_it(migrated: Settings) -> None:
    """Fails after a change in schemas/tables or schemas/views: run `make golden`."""
    assert differences(migrated) == []
    assert golden(migrated) == GOLDEN.read_text(encoding="utf-8")


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
            "table unjoined_events: ttl is",
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
        (
            "CREATE OR REPLACE VIEW impressions SQL SECURITY INVOKER AS SELECT 1 AS position",
            "table impressions: sql security is 'INVOKER', declared 'DEFINER'",
        ),
        (
            "ALTER TABLE sessions DROP INDEX by_id",
            "table sessions: indexes",
        ),
        ("DROP TABLE dead_letters", "table dead_letters is declared and missing"),
        ("CREATE TABLE x (y Int8) ENGINE = Memory", "table x exists and is not declared"),
    ],
)
def test_a_change_by_hand_is_seen(migrated: Settings, change: str, expected: str) -> None:
    with connect(migrated) as client:
        client.command(change)
    assert any(line.startswith(expected) for line in differences(migrated))


def test_another_sort_key_engine_or_partition_is_seen(migrated: Settings) -> None:
    with connect(migrated) as client:
        client.command("DROP TABLE session_marks SYNC")
        client.command(
            "CREATE TABLE session_marks (session_id String) ENGINE = MergeTree"
            " PARTITION BY session_id ORDER BY (session_id, session_id || 'x')"
        )
    found = "\n".join(differences(migrated))
    for what in ("engine is 'MergeTree'", "partition key is", "sorting key is"):
        assert f"table session_marks: {what}" in found


def test_the_database_may_be_named_like_a_table(
    engines: SharedEngines,
) -> None:
    settings = Settings(
        _env_file=None, clickhouse_url=SecretStr(engines.clickhouse_database_url("events"))
    )
    migrate(settings)
    try:
        assert differences(settings) == []
    finally:
        with connect(settings, database="system") as client:
            client.command("DROP DATABASE events SYNC")
