"""Fifty searches of two days, what of them is in a release, and how one is made."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq

from api.releases.manifest import Order, Watermark
from api.releases.service import Release, ReleaseService
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World

HOUR_MS = 3_600_000
SESSIONS = 50
IRRELEVANT = {7, 20}
AFTER = 45
"""The sessions from this one on, and as many events, are beyond the watermark."""
WATERMARK = Watermark(0, (AFTER,), (AFTER,), (1_000,))


def search(number: int) -> Search:
    return Search(
        f"s{number:02}",
        f"query {number % 3}",
        tuple((f"o{place}", place / 2, json.dumps({"n": place})) for place in range(number % 4)),
        created_at=NOON_MS + (number * 7 % SESSIONS) * HOUR_MS // 4 - DAY_MS,
        user_id=f"user {number}",
        search_meta='{"variant":"A"}',
        overflow=number == 11,
        offset=number,
    )


SEARCHES = [search(number) for number in range(SESSIONS)]
EVENTS = [
    Event(each, f"e{n}", "o0", created_at=each.created_at + 1000 - n, offset=each.offset)
    for each in SEARCHES
    if each.offset % 4 > 1
    for n in range(2)
]
WORLD = World(
    (*SEARCHES, replace(SEARCHES[5], query="posted again", offset=60)),
    (*EVENTS, Event(SEARCHES[2], "late", "o1", offset=AFTER)),
    tuple(Mark(f"s{number:02}", offset=number) for number in IRRELEVANT),
)
IN_RELEASE = sorted(
    (each for each in SEARCHES[:AFTER] if each.offset not in IRRELEVANT),
    key=lambda each: (each.created_at, each.session_id),
)


def make(service: ReleaseService, name: str, order: Order | None = None) -> Release:
    return service.create(name, order or Order(), "tester", watermark=lambda: WATERMARK)


def rows(service: ReleaseService, name: str) -> list[dict[str, Any]]:
    found = []
    for file in service.release(name).manifest.files:
        with service.storage.open(f"{name}/{file.name}") as source:
            found += pq.read_table(source).to_pylist()
    return found
