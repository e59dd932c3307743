"""Every process may end, by request or by force, and come back: nothing is lost or doubled."""

from __future__ import annotations

import pytest

from tests.e2e.examples import EVENTS, SESSION
from tests.e2e.process_pair import ProcessPair

pytestmark = pytest.mark.engines


def sessions(pair: ProcessPair) -> int:
    """As analytics counts them."""
    count = pair.get("/analytics/overview").json()["sessions"]
    assert isinstance(count, int)
    return count


def test_a_restarted_worker_takes_up_what_came_meanwhile(pair: ProcessPair) -> None:
    pair.post("/session", {**SESSION, "session_id": "before"})
    before = sessions(pair)
    pair.worker.stop()
    pair.post("/session", {**SESSION, "session_id": "meanwhile"})
    pair.post("/session/events", {**EVENTS, "session_id": "meanwhile"})
    pair.worker.start()
    assert len(pair.get_session("meanwhile")["events"]) == 1
    assert sessions(pair) == before + 1


def test_a_killed_worker_loses_and_doubles_nothing(pair: ProcessPair) -> None:
    before = sessions(pair)
    for n in range(50):
        pair.post("/session", {**SESSION, "session_id": f"killed-{n}"})
        pair.post("/session/events", {**EVENTS, "session_id": f"killed-{n}"})
        if n == 25:
            pair.worker.kill()
    pair.worker.start()
    assert sessions(pair) == before + 50
    assert all(len(pair.get_session(f"killed-{n}")["events"]) == 1 for n in range(50))


def test_a_restarted_edge_serves_what_was_posted_before(pair: ProcessPair) -> None:
    pair.post("/session", {**SESSION, "session_id": "kept"})
    pair.edge.stop()
    pair.edge.start()
    assert pair.get_session("kept")["search_query"] == SESSION["search_query"]


def test_a_killed_edge_has_kept_every_word_that_it_gave(pair: ProcessPair) -> None:
    for n in range(20):
        assert pair.post("/session", {**SESSION, "session_id": f"given-{n}"}).status_code == 200
    pair.edge.kill()
    pair.edge.start()
    assert all(pair.get_session(f"given-{n}")["session_id"] for n in range(20))
