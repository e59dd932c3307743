"""Retention: what goes, what stays, and that it can be changed and taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clickhouse.client import connect
from core.clickhouse.layout import Layout
from core.settings import Settings, TopicSettings
from schemas.drift import differences
from schemas.migrate import migrate
from schemas.retention import expiries, set_table_retention
from schemas.topic_admin import describe_topics, set_topic_retention
from schemas.topics import Topics
from tests.waiting import wait_until


@given(st.integers(1, 5_000))
def test_a_mark_outlives_every_session_that_it_may_be_about(days: int) -> None:
    kept = {expiry.table: expiry.days for expiry in expiries(days)}
    assert kept["sessions"] == kept["events"] == days
    # An early mark waits for its session as long as an event does, and a session may be dated a
    # day ahead.
    assert kept["session_marks"] >= days + kept["unjoined_events"] + 1


@given(st.integers(0, 5_000))
def test_nothing_that_waits_is_kept_longer_than_asked_for(days: int) -> None:
    kept = {expiry.table: expiry.days for expiry in expiries(days)}
    assert kept["unjoined_events"] == kept["dead_letters"] == min(days or 30, 30)


def test_topics_keep_no_longer_than_the_retention() -> None:
    from schemas.topics import definitions

    def longest(retention_days: int, topic_days: float) -> set[str]:
        settings = Settings(
            _env_file=None,
            retention_days=retention_days,
            topics=TopicSettings(retention_days=topic_days),
        )
        return {topic.config["retention.ms"] for topic in definitions(settings)}

    day = 24 * 60 * 60 * 1000
    assert longest(3, 7) == {str(3 * day), "-1"}  # -1: erasures, which must outlive everything
    assert longest(30, 7) == {str(7 * day), "-1"}
    assert longest(0, 7) == {str(7 * day), "-1"}


def _store(settings: Settings, name: str, day: datetime, received: datetime) -> None:
    columns = ["session_id", "created_at", "received_at", "session_day"]
    with connect(settings) as client:
        client.insert("sessions", [[name, day, received, day.date()]], column_names=columns)


@pytest.mark.engines
def test_sessions_go_by_their_day_and_those_without_one_by_their_receipt(fresh: Settings) -> None:
    now, no_day = datetime.now(UTC), datetime(1970, 1, 1, tzinfo=UTC)
    settings = fresh.model_copy(update={"retention_days": 5})
    migrate(settings)
    _store(settings, "old", now - timedelta(days=8), now)
    _store(settings, "new", now, now)
    _store(settings, "undated and old", no_day, now - timedelta(days=8))
    _store(settings, "undated and new", no_day, now)
    with connect(settings) as client:
        client.command("OPTIMIZE TABLE sessions FINAL")
        left = client.query("SELECT session_id FROM sessions FINAL ORDER BY 1").result_columns[0]
    assert left == ["new", "undated and new"]


@pytest.mark.engines
def test_retention_is_part_of_what_is_declared_and_can_be_taken_back(fresh: Settings) -> None:
    kept_for_ever, five_days = fresh, fresh.model_copy(update={"retention_days": 5})
    migrate(kept_for_ever)
    assert differences(kept_for_ever) == []
    assert any("sessions" in line for line in differences(five_days))
    migrate(five_days)
    assert differences(five_days) == []
    with connect(fresh) as client:
        layout = Layout.of(fresh)
        assert set_table_retention(client, layout, 5) == []
        assert set(set_table_retention(client, layout, 0)) >= {
            "sessions",
            "events",
            "session_marks",
            "late_joins",
        }
    assert differences(kept_for_ever) == []


@pytest.mark.engines
def test_existing_topics_are_given_the_retention_and_nothing_else(settings: Settings) -> None:
    shorter = settings.model_copy(update={"retention_days": 2})
    topics = Topics.from_settings(settings)
    before = describe_topics(settings)
    assert set(set_topic_retention(shorter)) == set(topics.all()) - {topics.erasures}
    # A broker tells of a change a moment after it has taken it.
    wait_until(lambda: set_topic_retention(shorter) == (), seconds=10)
    after = describe_topics(shorter)
    for name in topics.all():
        changed = {o for o, value in after[name].config.items() if before[name].config[o] != value}
        assert changed <= {"retention.ms", "segment.ms"}
    assert after[topics.sessions].config["retention.ms"] == str(2 * 24 * 60 * 60 * 1000)
