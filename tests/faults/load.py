"""Traffic over HTTP whose every acknowledgement is written down."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

# A request that meets a restart is sent again with the same ids, as a client would.
_ATTEMPTS = 30


@dataclass
class Acknowledged:
    """What the edge has answered 200 for."""

    sessions: set[str] = field(default_factory=set)
    events: set[tuple[str, str]] = field(default_factory=set)
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, session_id: str, event_ids: Iterable[str]) -> None:
        """A session and all its events have been acknowledged."""
        self.sessions.add(session_id)
        self.events.update((session_id, event_id) for event_id in event_ids)
        self._grown.set()

    async def reach(self, sessions: int) -> None:
        """Return once there are so many sessions."""
        while len(self.sessions) < sessions:
            self._grown.clear()
            await self._grown.wait()


class Load:
    """Sessions and their events, in random order, until stopped. One in ten is sent twice."""

    def __init__(self, url: str, seed: int, clients: int = 8) -> None:
        self._url = url
        self._chance = random.Random(seed)
        self._clients = clients
        self._numbers = itertools.count()
        self._stopped = False
        self.acknowledged = Acknowledged()

    def stop(self) -> None:
        """Let each client finish the session it is at."""
        self._stopped = True

    async def run(self) -> None:
        """Returns after `stop`."""
        limits = httpx.Limits(max_connections=self._clients)
        async with (
            httpx.AsyncClient(base_url=self._url, limits=limits, timeout=20) as http,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self._clients):
                group.create_task(self._client(http))

    async def _client(self, http: httpx.AsyncClient) -> None:
        while not self._stopped:
            session_id = f"s{next(self._numbers)}"
            posts = [self._session(session_id), *self._events(session_id)]
            if self._chance.random() < 0.1:
                posts += posts
            self._chance.shuffle(posts)
            for path, body in posts:
                await self._post(http, path, body)
            sent = [event for _, body in posts for event in body.get("events", ())]
            self.acknowledged.add(session_id, (event["event_id"] for event in sent))

    async def _post(self, http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(httpx.HTTPError),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random(0.1, 1),
            reraise=True,
        ):
            with attempt:
                (await http.post(path, json=body)).raise_for_status()

    def _session(self, session_id: str) -> tuple[str, dict[str, Any]]:
        results = [{"object_id": f"o{n}", "rank": n} for n in range(10)]
        body = {"session_id": session_id, "search_query": "boots", "search_results": results}
        return "/session", body

    def _events(self, session_id: str) -> list[tuple[str, dict[str, Any]]]:
        ids = [f"e{n}" for n in range(self._chance.randrange(1, 6))]
        return [
            (
                "/session/events",
                {
                    "session_id": session_id,
                    "events": [{"event_id": id_, "object_id": f"o{self._chance.randrange(12)}"}],
                },
            )
            for id_ in ids
        ]
