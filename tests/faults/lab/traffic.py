"""Steady traffic over HTTP on a thread of its own, every acknowledgement written down.

Clients behave: what is refused with Retry-After, or meets a process that dies, is sent again with
the same ids after a pause, a few times. One session in ten is sent twice.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

import aiohttp
import msgspec

from tests.faults.lab.answers import Answers
from tests.faults.lab.ledger import Ledger

# Ten events a session make a thousand events a second.
SESSIONS_PER_SECOND = 100
_EVENTS_PER_POST = 5
_SHOWN = 10
# One event in six is about an object that was never shown.
_OBJECTS = 12

# Sessions whose posts may be under way at once: an outage must not pile up clients without end.
_MOST_UNDER_WAY = 500
_ATTEMPTS = 8
_HANGS_SECONDS = 30.0


@dataclass(frozen=True)
class _Post:
    path: str
    session_id: str
    event_ids: tuple[str, ...] | None
    body: bytes


class Traffic:
    """Runs inside a `with` block. All sessions carry the same day, which is nobody else's."""

    def __init__(
        self,
        url: str,
        name: str,
        day: date,
        clients: int = 0,
        per_second: int = SESSIONS_PER_SECOND,
    ) -> None:
        """With `clients` it is no steady traffic, but so many who send as fast as they can, and
        never wait when they are told to."""
        self.name = name
        self.day = day
        self.ledger = Ledger()
        self.answers = Answers()
        self._url = url
        self._clients = clients
        self._per_second = per_second
        self._numbers = itertools.count()
        self._chance = random.Random(name)
        self._created_at = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic")
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_HANGS_SECONDS)
        connector = aiohttp.TCPConnector(limit=self._clients or _MOST_UNDER_WAY)
        try:
            async with (
                aiohttp.ClientSession(self._url, connector=connector, timeout=timeout) as http,
                asyncio.TaskGroup() as group,
            ):
                if not self._clients:
                    await self._begin_sessions(http, group)
                for _ in range(self._clients):
                    group.create_task(self._hammer(http))
        except BaseException as error:
            self._error = error

    async def _begin_sessions(self, http: aiohttp.ClientSession, group: asyncio.TaskGroup) -> None:
        now = asyncio.get_running_loop().time
        due = now()
        under_way: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            if len(under_way) < _MOST_UNDER_WAY:
                task = group.create_task(self._session(http))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            due = max(due + 1 / self._per_second, now() - 0.5)
            await asyncio.sleep(max(0.0, due - now()))

    async def _hammer(self, http: aiohttp.ClientSession) -> None:
        while not self._stopping.is_set():
            await self._session(http)

    async def _session(self, http: aiohttp.ClientSession) -> None:
        session_id = f"{self.name}-{next(self._numbers)}"
        posts = [self._session_post(session_id), *self._event_posts(session_id)]
        if self._chance.random() < 0.1:
            posts += posts
        self._chance.shuffle(posts)
        for post in posts:
            await self._send(http, post)

    async def _send(self, http: aiohttp.ClientSession, post: _Post) -> None:
        """Until it is acknowledged, or given up."""
        self.ledger.sent(post.session_id, post.event_ids)
        for attempt in range(_ATTEMPTS):
            pause = await self._ask(http, post)
            if pause is None:
                self.ledger.acknowledged(post.session_id, post.event_ids)
                return
            if self._stopping.is_set() or self._clients:
                return
            await asyncio.sleep(pause * (1 + self._chance.random() + attempt / 2))

    async def _ask(self, http: aiohttp.ClientSession, post: _Post) -> float | None:
        """None when it is acknowledged, else the seconds after which to try again."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with http.post(
                post.path, data=post.body, headers={"Content-Type": "application/json"}
            ) as answer:
                body = await answer.read()
        except TimeoutError:
            self.answers.hung += 1
            return 1.0
        except aiohttp.ClientError:
            self.answers.broken_off += 1
            return 0.5
        self.answers.add(answer.status, answer.headers, body, loop.time() - begun)
        return None if answer.ok else float(answer.headers.get("Retry-After", 1))

    def _session_post(self, session_id: str) -> _Post:
        body: dict[str, Any] = {
            "session_id": session_id,
            "search_query": f"boots {self._chance.randrange(100)}",
            "search_results": [{"object_id": f"o{n}", "rank": n} for n in range(_SHOWN)],
            "created_at": self._created_at * 1000,
        }
        return _Post("/session", session_id, None, msgspec.json.encode(body))

    def _event_posts(self, session_id: str) -> Sequence[_Post]:
        return [self._event_post(session_id, first) for first in (0, _EVENTS_PER_POST)]

    def _event_post(self, session_id: str, first: int) -> _Post:
        ids = tuple(f"e{n}" for n in range(first, first + _EVENTS_PER_POST))
        events = [
            {"event_id": id_, "object_id": f"o{self._chance.randrange(_OBJECTS)}"} for id_ in ids
        ]
        body = {"session_id": session_id, "events": events}
        return _Post("/session/events", session_id, ids, msgspec.json.encode(body))


def place_of(object_id: str) -> int:
    """Where an object stands in the list of every session; 0 when it was never shown."""
    number = int(object_id.removeprefix("o"))
    return number + 1 if number < _SHOWN else 0
