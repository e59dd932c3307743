"""Traffic at a steady pace: what it posts, and which pace it says was kept."""

import asyncio
from http import HTTPStatus
from typing import Any

import pytest

from benchmarks import steady
from benchmarks.corpus import Corpus
from benchmarks.steady import SteadyLoad

CORPUS = Corpus(1_753_000_000_000, 50)


class FakePoster:
    """Answers at once, with whatever it is told to; keeps what was posted."""

    def __init__(self, status: int = HTTPStatus.OK) -> None:
        self._status = status
        self.posted: list[tuple[str, dict[str, Any]]] = []

    async def post(self, path: str, body: dict[str, Any]) -> int:
        self.posted.append((path, body))
        return self._status


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events follow their session at once."""
    monkeypatch.setattr(steady, "_EVENTS_AFTER", (0.001, 0.002))


def test_a_session_is_posted_before_its_events_and_all_of_them_once() -> None:
    poster, watched = FakePoster(), set()
    asyncio.run(SteadyLoad(CORPUS, 50_000).run(poster, lambda *key: watched.add(key)))
    sessions: set[str] = set()
    events: list[tuple[str, str]] = []
    for path, body in poster.posted:
        if path == "/session":
            sessions.add(body["session_id"])
        else:
            assert body["session_id"] in sessions
            events += [(body["session_id"], event["event_id"]) for event in body["events"]]
    assert len(sessions) == CORPUS.total
    assert len(set(events)) == len(events) == CORPUS.total * CORPUS.events
    assert len(watched) == 2 * CORPUS.total
    assert watched <= set(events)


def test_the_first_refusal_ends_it() -> None:
    poster = FakePoster(HTTPStatus.SERVICE_UNAVAILABLE)
    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(SteadyLoad(CORPUS, 50_000).run(poster, lambda *_: None))
    assert raised.group_contains(RuntimeError, match="503")


def test_the_pace_counts_the_seconds_in_which_sessions_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steady, "_EVENTS_AFTER", (2.0, 4.0))
    load = SteadyLoad(CORPUS, 40)  # 400 events: 10 seconds
    assert load.pace_kept(14.0) == pytest.approx(40)
    assert load.pace_kept(24.0) == pytest.approx(20)
