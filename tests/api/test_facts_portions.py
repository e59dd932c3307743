"""What a worker finds without facts it computes in portions of a day: they are the whole day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.clickhouse.client import connect
from stream_processors.write import facts
from stream_processors.write.clickhouse import ClickHouseSink
from tests.api.stored import NOON_MS, Event, Search, World, empty, store

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.engines


@pytest.mark.parametrize("rows_at_once", [100, 9, 2])
def test_portions_of_a_day_are_the_whole_day_each_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    empty(settings)
    hour_ms = 3_600_000
    searches = tuple(
        Search(f"s{number}", created_at=NOON_MS + (number % 11) * hour_ms) for number in range(50)
    )
    events = tuple(Event(search, f"e{search.session_id}") for search in searches[:20])
    store(settings, World(searches, events), refresh=False)
    monkeypatch.setattr(facts, "_PORTION", rows_at_once)
    sink = ClickHouseSink(settings)
    portions = sink.missing_facts({0: 0}, {0: 0})
    assert len(portions) == -(-70 // rows_at_once)
    for portion in portions:
        sink.refresh_missing_facts(portion)
    with connect(settings) as client:
        (found,) = client.query("SELECT count(), sum(events) FROM session_facts").result_rows
    assert found == (50, 20)
