"""Traffic at a steady pace, whatever the answers take: an open loop, as real users are."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

import pyarrow as pa

from benchmarks.corpus import Corpus

# (session id, event id) of an event that was acknowledged just now.
Acknowledged = Callable[[str, str], None]

# Seconds after the session at which each half of its events is posted.
_EVENTS_AFTER = (2.0, 4.0)

# Requests under way at once; more than this, and the servers do not keep up with the pace.
_MOST_UNDER_WAY = 2_000


class Writer(Protocol):
    """What posts; `LeanWriter` does."""

    async def post(self, path: str, body: object) -> int:
        """The status of the answer."""
        ...


@dataclass(frozen=True, slots=True)
class _Post:
    at: float
    path: str
    body: dict[str, Any]


class SteadyLoad:
    """Posts the whole corpus at `events_per_second`. Made before the connections are: it takes some
    seconds, and a server closes what is idle."""

    def __init__(self, corpus: Corpus, events_per_second: int) -> None:
        self._events = corpus.total * corpus.events
        self._posts = list(_posts(corpus, corpus.events / events_per_second))
        self._slots = asyncio.Semaphore(_MOST_UNDER_WAY)

    async def run(self, http: Writer, acknowledged: Acknowledged) -> float:
        """Seconds that it took. Raises RuntimeError at the first answer that is not a 200."""
        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for post in self._posts:
                if (wait := started + post.at - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                await self._slots.acquire()
                tasks.create_task(self._send(http, post, acknowledged))
        return time.perf_counter() - started

    def pace_kept(self, seconds: float) -> float:
        """Events a second of a run that took so long: less than asked for when it was held up.

        Either half of the events takes as long as the sessions do, and the later half is over so
        much after the last session: those seconds are no longer at full pace, and do not count.
        """
        return self._events / (seconds - _EVENTS_AFTER[-1])

    async def _send(self, http: Writer, post: _Post, acknowledged: Acknowledged) -> None:
        try:
            status = await http.post(post.path, post.body)
        finally:
            self._slots.release()
        if status != HTTPStatus.OK:
            raise RuntimeError(f"{post.path} answers {status}")
        if events := post.body.get("events"):
            acknowledged(post.body["session_id"], events[-1]["event_id"])


def _posts(corpus: Corpus, pace: float) -> Iterator[_Post]:
    """In the order of their time; a session every `pace` seconds."""
    sessions = corpus.sessions(0, corpus.total).to_pylist()
    events: dict[str, list[dict[str, Any]]] = {}
    for event in pa.Table.from_batches([corpus.events_of(0, corpus.total)]).to_pylist():
        events.setdefault(event["session_id"], []).append(_event(event))
    posts = []
    for number, session in enumerate(sessions):
        mine, at = events[session["session_id"]], number * pace
        posts.append(_Post(at, "/session", _session(session)))
        half = len(mine) // 2
        for part, after in zip((mine[:half], mine[half:]), _EVENTS_AFTER, strict=True):
            body = {"session_id": session["session_id"], "events": part}
            posts.append(_Post(at + after, "/session/events", body))
    return iter(sorted(posts, key=lambda post: post.at))


def _session(record: dict[str, Any]) -> dict[str, Any]:
    results = [{"object_id": r["object_id"], "rank": r["rank"]} for r in record["search_results"]]
    return {
        "session_id": record["session_id"],
        "search_query": record["search_query"],
        "search_results": results,
        "search_meta": json.loads(record["search_meta"]),
        "user_id": record["user_id"],
        "created_at": int(record["created_at"].timestamp() * 1000),
    }


def _event(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "event_id": record["event_id"],
        "object_id": record["object_id"],
        "event_type": record["event_type"],
        "created_at": int(record["created_at"].timestamp() * 1000),
    }
