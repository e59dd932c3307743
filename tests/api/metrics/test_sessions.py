"""The searches behind the numbers, and what was searched for next: those of `by_hand`."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.metrics.by_hand import WORLD
from tests.api.stored import empty, store

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from core.settings import Settings

pytestmark = pytest.mark.engines

# (text, next text): in one typing run, and whether the first one found nothing.
PAIRS = {
    ("sho", "shoe"): (1, 0),
    ("shoe", "shoes"): (1, 0),
    ("shoes", "boots"): (0, 0),  # three letters differ
    ("boots", "boot"): (0, 0),  # after 40 s
    ("boot", "boots"): (1, 0),
    ("boots", "botos"): (1, 1),
    ("xyzzy", "abc"): (0, 1),
    ("hat", "hats"): (1, 0),
    ("shoes", "gloves"): (0, 0),
    ("shoes", "shoes red"): (1, 0),
}


@pytest.fixture(scope="module", autouse=True)
def _stored(module_settings: Settings) -> None:
    empty(module_settings)
    store(module_settings, WORLD)


def asked(client: TestClient, path: str, **params: object) -> Any:
    answer = client.get(f"/analytics/{path}", params={k: str(v) for k, v in params.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


def pairs_of(body: Any) -> dict[tuple[str, str], tuple[int, int]]:
    assert all((each["sessions"], each["users"]) == (1, 1) for each in body["queries"])
    return {
        (each["search_query"], each["next_query"]): (
            each["reformulated_sessions"],
            each["zero_result_sessions"],
        )
        for each in body["queries"]
    }


def test_what_was_searched_for_next(client: TestClient) -> None:
    assert pairs_of(asked(client, "next_queries")) == PAIRS
    after = pairs_of(asked(client, "next_queries", query=" SHOES"))
    assert after == {pair: told for pair, told in PAIRS.items() if pair[0] == "shoes"}
    before = pairs_of(asked(client, "next_queries", next_query="boots"))
    assert before == {pair: told for pair, told in PAIRS.items() if pair[1] == "boots"}
    soon = asked(client, "next_queries", within_seconds=10)["queries"]
    assert len(soon) == 6
    mobile = asked(client, "next_queries", **{"search_meta.device": "mobile"})["queries"]
    assert len(mobile) == 4


def test_the_searches_that_count_the_latest_first(client: TestClient) -> None:
    found = asked(client, "sessions", limit=1000)["sessions"]
    assert len(found) == 28
    times = [each["created_at"] for each in found]
    assert times == sorted(times, reverse=True)
    assert not any(each["is_irrelevant"] for each in found)
    outcomes = {
        outcome: len(asked(client, "sessions", outcome=outcome)["sessions"])
        for outcome in ("no_result", "no_click", "click")
    }
    assert outcomes == {"no_result": 5, "no_click": 10, "click": 13}
    (one,) = asked(client, "sessions", query="shoes red")["sessions"]
    assert (one["session_id"], one["user_id"], one["results"]) == ("s30", "gus", 10)
    assert (one["clicks"], one["events"], one["first_click_position"]) == (1, 1, 1)
    assert len(asked(client, "sessions", user="ann")["sessions"]) == 5


def test_marked_searches_are_told_apart(client: TestClient) -> None:
    every = asked(client, "sessions", relevance="include", limit=1000)["sessions"]
    assert len(every) == 30
    marked = {each["session_id"] for each in every if each["is_irrelevant"]}
    only = asked(client, "sessions", relevance="only")["sessions"]
    assert {each["session_id"] for each in only} == marked
    assert len(marked) == 2


def test_pages_are_the_whole(client: TestClient) -> None:
    for path, name in (("sessions", "sessions"), ("next_queries", "queries")):
        whole = asked(client, path, limit=1000)[name]
        found: list[Any] = []
        cursor = ""
        while cursor is not None:
            page = asked(client, path, limit=4, cursor=cursor)
            found += page[name]
            cursor = page["next"]
        assert found == whole
    stranger = client.get(
        "/analytics/sessions", params={"cursor": cursor_of(client), "outcome": "click"}
    )
    assert stranger.status_code == 422


def cursor_of(client: TestClient) -> str:
    cursor: str = asked(client, "sessions", limit=4)["next"]
    return cursor


def test_the_same_as_csv(client: TestClient) -> None:
    answer = client.get("/analytics/sessions", params={"format": "csv", "limit": "5"})
    lines = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    told = asked(client, "sessions", limit=5)["sessions"]
    assert [line["session_id"] for line in lines] == [each["session_id"] for each in told]
    assert answer.headers["clickstream-next"]
