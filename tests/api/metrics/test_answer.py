"""From sums to rows: steps of a series, every position, and lines of CSV."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.metrics.answer import GroupRow, answer_rows, column_names
from api.metrics.buckets import starts
from api.metrics.catalogue import BY_NAME, Granularity, Source
from api.metrics.positions import at_every_position
from api.metrics.question import Question
from api.metrics.responses import csv_text

QUESTION = Question(
    metrics=[BY_NAME["session_ctr"]],
    source=Source.SESSIONS,
    times=(0, 1),
    relevance="exclude",
    event_types=["click"],
)


def millis(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("granularity", "zone", "first", "last", "steps"),
    [
        # The day on which the clock goes forward has 23 hours, the one on which it goes back 25.
        (Granularity.HOUR, "Europe/Berlin", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", 23),
        (Granularity.HOUR, "Europe/Berlin", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", 25),
        (Granularity.DAY, "Europe/Berlin", "2026-10-24T00:00+02:00", "2026-10-27T00:00+01:00", 3),
        (Granularity.DAY, "Asia/Kathmandu", "2026-01-01T00:00+05:45", "2026-01-02T00:00+05:45", 1),
        (Granularity.WEEK, "UTC", "2026-01-05T00:00+00:00", "2026-01-19T00:00+00:00", 2),
        (Granularity.MONTH, "UTC", "2026-01-01T00:00+00:00", "2027-01-01T00:00+00:00", 12),
    ],
)
def test_steps_of_a_series(
    granularity: Granularity, zone: str, first: str, last: str, steps: int
) -> None:
    found = list(starts(millis(first), millis(last), granularity, zone))
    assert len(found) == steps
    assert found[0] == millis(first)
    assert list(starts(millis(first) + 1, millis(last), granularity, zone)) == found


@example(millis("1985-12-31T00:00Z"), 48, Granularity.DAY, "Asia/Kathmandu")
@given(
    from_ms=st.integers(millis("1975-01-01T00:00Z"), millis("2035-01-01T00:00Z")),
    hours=st.integers(1, 2000),
    granularity=st.sampled_from(Granularity),
    zone=st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_steps_ascend_and_cover_the_range(
    from_ms: int, hours: int, granularity: Granularity, zone: str
) -> None:
    to_ms = from_ms + hours * 3_600_000
    found = list(starts(from_ms, to_ms, granularity, zone))
    assert found == sorted(set(found))
    assert found[0] <= from_ms < [*found, to_ms][1]
    if granularity is not Granularity.HOUR:
        for start in found:
            # Not always at 00:00: where clocks were put forward at midnight, that never came.
            before, at = (
                (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=each)).astimezone(
                    ZoneInfo(zone)
                )
                for each in (start - 1, start)
            )
            assert before.date() < at.date()


def test_a_question_without_any_session_has_one_row_of_nothing() -> None:
    (row,) = answer_rows(QUESTION, [])
    assert row == {
        "session_ctr": None,
        "session_ctr_low": None,
        "session_ctr_high": None,
        "sessions_with_click": 0,
        "sessions": 0,
    }
    assert list(row) == column_names(QUESTION)


def test_numbers_of_a_group_and_of_the_period_before() -> None:
    question = Question(
        metrics=[BY_NAME["mean_reciprocal_rank"]],
        source=Source.SESSIONS,
        times=(10, 20),
        relevance="exclude",
        event_types=["click"],
        by=["search_query"],
        compare_previous=True,
    )
    (row,) = answer_rows(question, [GroupRow(["shoes"], None, [232_792_560, 4], [0, 0], [], [])])
    assert row == {
        "search_query": "shoes",
        "mean_reciprocal_rank": 0.25,
        "reciprocal_ranks": 1.0,
        "sessions": 4,
        "previous_mean_reciprocal_rank": None,
        "previous_reciprocal_ranks": 0.0,
        "previous_sessions": 0,
    }
    assert list(row) == column_names(question)


def test_quantiles_are_null_without_a_click() -> None:
    question = replace(QUESTION, metrics=[BY_NAME["time_to_first_click_ms"]], compare_previous=True)
    times = [1, 2, 3, 4, 5, 6, 7]
    (row,) = answer_rows(question, [GroupRow([], None, [9], [0], [times], [[0] * 7])])
    assert row["time_to_first_click_ms"] == row["time_to_first_click_ms_p50"] == 3
    assert row["time_to_first_click_ms_p99"] == 7
    assert row["previous_time_to_first_click_ms"] is None
    assert row["previous_sessions_with_first_click"] == 0
    assert list(row) == column_names(question)


@given(
    st.lists(
        st.integers(1, 12).flatmap(
            lambda n: st.tuples(st.just(n), st.sets(st.integers(1, n), max_size=4))
        ),
        max_size=20,
    ),
    st.integers(1, 14),
)
def test_positions_are_those_of_the_lists(lists: list[tuple[int, set[int]]], last: int) -> None:
    found: dict[int, dict[str, int]] = {}

    def add(position: int, name: str) -> None:
        sums = found.setdefault(min(position, last + 1), dict.fromkeys(NAMES, 0))
        sums[name] += 1

    for length, clicked in lists:
        add(length, "lists_ending")
        if clicked:
            add(length, "clicked_lists_ending")
            add(max(clicked), "lowest_clicks")
        for position in clicked:
            add(position, "clicked_impressions")
    rows = dict(at_every_position(found, last))
    assert list(rows) == list(range(1, min(max((n for n, _ in lists), default=0), last) + 1))
    for position, sums in rows.items():
        reaching = [(n, clicked) for n, clicked in lists if n >= position]
        assert sums == {
            "impressions": len(reaching),
            "clicked_impressions": sum(position in clicked for _, clicked in reaching),
            "all_clicked_impressions": sum(len(clicked) for _, clicked in lists),
            "clicked_lists": sum(bool(clicked) for _, clicked in reaching),
            "lists_examined": sum(max(clicked, default=0) >= position for _, clicked in reaching),
        }


NAMES = ("lists_ending", "clicked_impressions", "clicked_lists_ending", "lowest_clicks")


def test_csv_quotes_what_has_to_be_quoted() -> None:
    rows = [{"search_query": 'a "b",\nc', "session_ctr": None, "sessions": 1.5}]
    assert csv_text(["search_query", "session_ctr", "sessions"], rows) == (
        'search_query,session_ctr,sessions\r\n"a ""b"",\nc",,1.5\r\n'
    )
    assert csv_text(["sessions"], []) == "sessions\r\n"
