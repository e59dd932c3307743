"""A sample of real search traffic, repeats and strays included, leads to known counts."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from core.clickhouse.client import connect
from tests.conftest import Corner
from tests.e2e.conftest import ESCI
from tests.e2e.process_pair import ProcessPair

pytestmark = pytest.mark.engines

REQUESTS: list[dict[str, Any]] = [json.loads(line) for line in ESCI.read_text("utf-8").splitlines()]

SESSIONS, WITHOUT_RESULTS, WITH_EVENTS, JOINED, UNJOINED = 161, 16, 54, 253, 191
BY_TYPE = {
    "click": 163,
    "add_to_cart": 136,
    "global_click": 40,
    "type_filter": 40,
    "brand_filter": 36,
    "product_hover": 9,
    "item_click": 9,
    "purchase": 5,
    "declined_product": 4,
    "404_redirect": 1,
    "page_exit": 1,
}


@pytest.fixture
def fresh_pair(corner: Corner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessPair]:
    """Like `pair`, for one test: counts are of everything there is."""
    with corner() as settings, ProcessPair(settings, tmp_path_factory.mktemp("esci")) as running:
        yield running


def send(pair: ProcessPair, requests: Iterable[dict[str, Any]]) -> None:
    for request in requests:
        answer = pair.post(request["path"], request["body"])
        assert answer.status_code == 200, answer.text
    pair.catch_up()


def check_counts(pair: ProcessPair) -> None:
    """ClickHouse holds exactly what the sample is known to hold."""
    with connect(pair.settings) as client:

        def ask(query: str) -> list[Any]:
            return list(client.query(query).result_rows)

        assert ask("SELECT count() FROM sessions FINAL") == [(SESSIONS,)]
        assert ask("SELECT count() FROM sessions FINAL WHERE empty(search_results.object_id)") == [
            (WITHOUT_RESULTS,)
        ]
        assert ask("SELECT count(), uniqExact(session_id) FROM events FINAL") == [
            (JOINED, WITH_EVENTS)
        ]
        waiting = """
            SELECT event_type, count() FROM unjoined_events FINAL
            WHERE session_id NOT IN (SELECT session_id FROM sessions) GROUP BY event_type
        """
        unjoined = Counter(dict(ask(waiting)))
        assert unjoined.total() == UNJOINED
        joined = Counter(
            dict(ask("SELECT event_type, count() FROM events FINAL GROUP BY event_type"))
        )
        assert dict(unjoined + joined) == BY_TYPE
        assert ask("SELECT count() FROM dead_letters") == [(0,)]


def check_contents(pair: ProcessPair) -> None:
    """Each session equals its first post, with its distinct events."""
    first: dict[str, Any] = {}
    events: dict[str, dict[str, Any]] = {}
    for request in REQUESTS:
        body = request["body"]
        if request["path"] == "/session":
            first.setdefault(body["session_id"], body)
        else:
            known = events.setdefault(body["session_id"], {})
            for event in body["events"]:
                known.setdefault(event["event_id"], event)
    for session_id, sent in first.items():
        read = pair.get_session(session_id)
        assert_holds(read, {k: v for k, v in sent.items() if k != "search_results"})
        assert len(read["search_results"]) == len(sent["search_results"])
        for result, shown in zip(read["search_results"], sent["search_results"], strict=True):
            assert_holds(result, shown)
        wanted = events.get(session_id, {})
        assert {event["event_id"] for event in read["events"]} == set(wanted)
        for event in read["events"]:
            assert_holds(event, wanted[event["event_id"]])


def assert_holds(read: dict[str, Any], sent: dict[str, Any]) -> None:
    assert {name: read[name] for name in sent} == sent


def test_sent_once_and_again_the_counts_are_those_known(fresh_pair: ProcessPair) -> None:
    send(fresh_pair, REQUESTS)
    check_counts(fresh_pair)
    check_contents(fresh_pair)
    send(fresh_pair, REQUESTS)
    check_counts(fresh_pair)
    check_contents(fresh_pair)


def test_sent_in_any_order_the_counts_are_the_same(fresh_pair: ProcessPair) -> None:
    shuffled = random.Random(20).sample(REQUESTS, len(REQUESTS))
    send(fresh_pair, shuffled)
    check_counts(fresh_pair)
