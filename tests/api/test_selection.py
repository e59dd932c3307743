"""`from`, `to` and what they become."""

from __future__ import annotations

import pytest

from api.selection import Relevance, Selection, parse_selection
from core.errors import InvalidRequest
from core.times import EARLIEST_MS, LATEST_MS


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("", None),
        ("1700049600000", 1700049600000),
        ("20231115", 1700006400000),
        ("20231115T120000", 1700049600000),
        ("2023-11-15", 1700006400000),
        ("2023-11-15T12:00:00", 1700049600000),
        ("2023-11-15T12:00:00Z", 1700049600000),
        ("2023-11-15T12:00:00.123456Z", 1700049600124),
        ("2023-11-15T12:00:00.123000Z", 1700049600123),
        ("2023-11-15 13:00:00+01:00", 1700049600000),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_time_is_milliseconds_or_iso_8601(text: str, milliseconds: int | None) -> None:
    assert parse_selection(text, "").from_ms == milliseconds
    assert parse_selection("", text).to_ms == milliseconds


@pytest.mark.parametrize(
    "text",
    ["now", "1e12", "١٢٣", "2023-13-01", "9999-01-01", "1" * 16, "2023-11-15T12:00:00 01:00"],
)
def test_other_text_is_refused_and_the_parameter_named(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_selection("", text)
    assert [error.path for error in caught.value.errors] == ["query.to"]


def test_end_before_the_start_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        parse_selection("1700049600000", "1700049599999")


@pytest.mark.parametrize(
    ("text", "unit"),
    [("1700049600", "seconds"), ("1700049600000000", "micro"), ("1700049600000000000", "nano")],
)
def test_a_time_in_another_unit_is_refused_with_advice(text: str, unit: str) -> None:
    with pytest.raises(InvalidRequest, match=f"looks like {unit}.*send milliseconds"):
        parse_selection(text, "")


@pytest.mark.parametrize("text", ["2026", "0", "-1", "20231315", "12345678"])
def test_a_number_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_selection(text, "")


def test_days_cover_the_range_as_far_as_a_date_goes() -> None:
    one_day = Selection(1700006400000, 1700092799999, Relevance.ONLY).parameters()
    assert (one_day["from_day"], one_day["to_day"]) == ("2023-11-15", "2023-11-15")
    everything = Selection(None, None, Relevance.ONLY).parameters()
    assert (everything["from_day"], everything["to_day"]) == ("1970-01-01", "2149-06-06")


def test_open_ends_cover_every_time_that_can_be_written() -> None:
    everything = Selection(None, None, Relevance.INCLUDE).parameters()
    assert int(everything["from_ms"]) <= EARLIEST_MS
    assert int(everything["to_ms"]) >= LATEST_MS
