"""Pages beside inserts: what was behind a page stays behind it, each row once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.stored import NOON_MS, Event, Search, World, empty, store

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from core.settings import Settings

pytestmark = pytest.mark.engines

_LONG = "鞋" * 300
"""Of 900 bytes: a cursor has its beginning and a hash."""


def search(number: int, text: str, user: str | None = None, at: int = 0) -> Search:
    results = (("a", None, None), (f"o{number % 12}", None, None))
    return Search(f"s{number}", text, results, created_at=NOON_MS + at, user_id=user, offset=number)


# Twelve texts that were searched for three times, twice or once, half of which begin alike; and
# each user goes on to the next text.
TEXTS = [f"{_LONG if n % 2 else ''}{n:02}" for n in range(12)]
SEARCHES = [
    search(100 * n + time, text, f"u{n}-{time}", 1_000 * n)
    for n, text in enumerate(TEXTS)
    for time in range(1 + n % 3)
]
NEXT = [
    search(5_000 + each.offset, f"{each.query} next", each.user_id, each.created_at - NOON_MS + 5)
    for each in SEARCHES
]
CLICKS = [Event(each, "e", each.results[1][0], created_at=each.created_at) for each in SEARCHES]
# They come before the second page: some rise to the first one, some are new there and at the end.
LATE = [
    *(search(9_000 + n, TEXTS[0], f"u0-{n}", 99_000 + n) for n in range(7)),
    *(search(9_100 + n, "very new", f"v{n}", 98_000) for n in range(9)),
    search(9_200, "zz", None, 97_000),
]

ROWS = {
    "/analytics/queries?limit=8": ("queries", "search_query"),
    "/analytics/queries?limit=8&order=session_ctr&ascending=true": ("queries", "search_query"),
    "/analytics/query?metric=sessions&by=search_query,user_id&limit=8": ("rows", "user_id"),
    "/analytics/query?metric=value_per_event&by=search_query&limit=8": ("rows", "search_query"),
    "/analytics/objects?limit=8": ("objects", "object_id"),
    "/analytics/sessions?limit=8": ("sessions", "session_id"),
    "/analytics/next_queries?limit=8": ("queries", "search_query"),
    "/judgments?limit=8&min_impressions=1": ("judgments", "object_id"),
}


def rows_of(client: TestClient, path: str, cursor: str = "") -> tuple[list[Any], str | None]:
    answer = client.get(f"{path}&cursor={cursor}")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return body[ROWS[path.replace("limit=1000", "limit=8")][0]], body["next"]


def keys(rows: list[Any]) -> list[tuple[object, ...]]:
    names = ("search_query", "next_query", "object_id", "user_id", "session_id")
    return [tuple(row.get(name) for name in names) for row in rows]


def test_pages_are_the_whole_and_rows_that_come_move_no_other(
    client: TestClient, module_settings: Settings
) -> None:
    empty(module_settings)
    store(module_settings, World((*SEARCHES, *NEXT), tuple(CLICKS)))
    whole: dict[str, list[tuple[object, ...]]] = {}
    after: dict[str, str | None] = {}
    for path in ROWS:
        every, _ = rows_of(client, path.replace("limit=8", "limit=1000"))
        whole[path] = keys(every)
        first, cursor = rows_of(client, path)
        following: list[Any] = []
        after[path] = cursor
        assert cursor is not None, path
        while cursor is not None:
            assert len(cursor) < 1_000
            page, cursor = rows_of(client, path, cursor)
            following += page
        assert keys(first + following) == whole[path], path
    store(module_settings, World(tuple(LATE)))
    for path in ROWS:
        found: list[Any] = []
        cursor = after[path]
        while cursor is not None:
            page, cursor = rows_of(client, path, cursor)
            found += page
        behind = keys(found)
        assert len(set(behind)) == len(behind), path
        moved = {"very new", "zz", TEXTS[0], f"{TEXTS[0]} next"}
        kept = [each for each in whole[path][8:] if each[0] not in moved]
        if "objects" not in path and "ascending" not in path:
            assert [each for each in behind if each[0] not in moved] == kept, path
