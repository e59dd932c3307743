"""Memory of the views and of /analytics/positions is linear in the length of lists."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import schemas
from api.metrics.catalogue import BY_NAME, OBJECT_ID, POSITION, Source
from api.metrics.question import Question
from api.metrics.runner import Page, Runner
from api.queries import INTERLEAVING, Query, Row
from api.selection import Relevance, Selection
from api.store import ClickHouseStore
from core.clickhouse.client import connect
from tests.api.stored import refresh_facts

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from core.settings import Settings

SESSIONS, RESULTS, DEEP_CLICKS = 200, 10_000, 20
# Copies of a list, or of all deep clicks, for each place of a list would take gigabytes.
SIZES = {"sessions": SESSIONS, "results": RESULTS, "deep_clicks": DEEP_CLICKS}
MEMORY = {"max_memory_usage": 150_000_000}

# Every list has 10,000 results, and every session clicks on places beyond 64.
_SESSIONS = """
INSERT INTO sessions (session_id, search_query, search_results.object_id, search_results.rank,
    search_results.meta, created_at, received_at, session_day, version)
SELECT 's' || toString(number), 'q', arrayMap(n -> toString(n), range({results:UInt32})),
    arrayMap(n -> CAST(n AS Nullable(Float64)), range({results:UInt32})),
    arrayMap(n -> CAST({metas:Array(Nullable(String))}[n % 2 + 1] AS Nullable(String)),
        range({results:UInt32})),
    toDateTime64('2023-11-15 12:00:00', 3, 'UTC') AS at, at, toDate(at), 1
FROM numbers({sessions:UInt32}) SETTINGS max_block_size = 50, min_insert_block_size_rows = 50
"""
_CLICKS = """
INSERT INTO events (session_id, event_id, object_id, event_type, position, created_at, received_at,
    session_created_at, session_day, version)
SELECT 's' || toString(intDiv(number, {deep_clicks:UInt32})), toString(number), 'o', 'click',
    65 + 101 * (number % {deep_clicks:UInt32}),
    toDateTime64('2023-11-15 12:00:00', 3, 'UTC') AS at, at, at, toDate(at), 1
FROM numbers({sessions:UInt32} * {deep_clicks:UInt32})
"""


@pytest.mark.engines
def test_long_lists_are_counted_in_little_memory(read_settings: Settings) -> None:
    with connect(read_settings) as client:
        _store(client, read_settings, [None, None])
        shown = client.query(
            "SELECT count(), uniqExact(object_id), max(position), sum(rank), countIf(meta IS NULL)"
            " FROM (SELECT object_id, position, rank, meta FROM impressions)",
            settings=MEMORY,
        ).result_rows
        by_position = client.query(
            "SELECT position, impressions, clicked_impressions FROM analytics_positions"
            " ORDER BY position",
            settings=MEMORY,
        ).result_rows
    of_ranks = SESSIONS * (RESULTS - 1) * RESULTS // 2
    assert shown == [(SESSIONS * RESULTS, RESULTS, RESULTS, of_ranks, SESSIONS * RESULTS)]
    clicked = set(range(65, 65 + 101 * DEEP_CLICKS, 101))
    expected = [(p, SESSIONS, SESSIONS if p in clicked else 0) for p in range(1, RESULTS + 1)]
    assert by_position == expected
    for limit in (50, 66, 5_000, RESULTS):
        page = asyncio.run(_page(read_settings, Source.POSITIONS, POSITION, limit))
        assert [
            (row[POSITION], row["impressions"], row["clicked_impressions"]) for row in page.rows
        ] == expected[:limit]
    objects = asyncio.run(_page(read_settings, Source.OBJECTS, OBJECT_ID, RESULTS)).rows
    assert sorted(
        (int(str(row[OBJECT_ID])) + 1, row["impressions"], row["clicked_impressions"])
        for row in objects
    ) == expected  # fmt: skip


@pytest.mark.engines
def test_long_interleaved_lists_are_compared_in_little_memory(read_settings: Settings) -> None:
    """Every second result is of the other team, and so is every second click."""
    with connect(read_settings) as client:
        _store(client, read_settings, ['{"team":"x"}', '{"team":"y"}'])
    query = replace(INTERLEAVING, settings={**INTERLEAVING.settings, **MEMORY})
    (row,) = asyncio.run(_rows(read_settings, query, control="x", limit=10))
    assert (row.team, row.searches, row.won, row.lost, row.tied) == ("y", SESSIONS, 0, 0, SESSIONS)


def _store(client: Client, settings: Settings, metas: list[str | None]) -> None:
    client.command(_SESSIONS, parameters={**SIZES, "metas": metas})
    client.command(_CLICKS, parameters=SIZES)
    refresh_facts(settings)


async def _page(settings: Settings, source: Source, by: str, limit: int) -> Page:
    store = ClickHouseStore(settings)
    question = Question(
        metrics=[BY_NAME["position_ctr"]],
        source=source,
        times=(0, 2_000_000_000_000),
        relevance="exclude",
        event_types=["click"],
        by=[by],
        positions=limit,
        limit=limit,
    )
    try:
        return await Runner(store, 30).page(question)
    finally:
        await store.close()


async def _rows(settings: Settings, query: Query[Row], **more: str | int) -> list[Row]:
    store = ClickHouseStore(settings)
    try:
        values = Selection(None, None, Relevance.EXCLUDE).times()
        return await store.rows(query, 30, **values, event_type="click", **more)
    finally:
        await store.close()


_FINAL = re.compile(r"\bFROM (?:sessions|events|session_facts) FINAL\b")
_BY_PARTITION = "SETTINGS do_not_merge_across_partitions_select_final = 1"
_ACROSS = "SETTINGS do_not_merge_across_partitions_select_final = 0"


@pytest.mark.parametrize(
    "view", sorted((Path(schemas.__path__[0]) / "views").glob("*.sql")), ids=lambda view: view.stem
)
def test_every_branch_of_a_view_says_how_it_reads_final(view: Path) -> None:
    """A SELECT's settings do not reach the other branches of its UNION ALL, so each has its own.
    Across partitions ClickHouse reads days that nobody asked for, unless hours are named."""
    sql = view.read_text(encoding="utf-8")
    selects = _FINAL.split(sql)[1:]
    for after in selects:
        branch = re.split(r"\bUNION ALL\b|\n\)", after)[0]
        is_of_hours = "session_hour BETWEEN" in branch
        assert _BY_PARTITION in branch or (is_of_hours and _ACROSS in branch), branch
