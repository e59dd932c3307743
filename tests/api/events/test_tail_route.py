"""GET /events/tail as a client meets it: its headers, its form, its bounds, its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message

from api.component import ReadComponent
from api.events.reader import EventReader
from api.events.tail_records import TailRecord, Wanted
from api.events.tail_route import TailSlots, tail_router
from clickstream.operations.erasure.eraser import eraser_of
from core.errors import BrokerUnavailable, Overloaded, TooManyRequests
from core.http import problem
from core.http.app import build_app
from core.settings import Settings
from tests.api.events.memory_store import MemoryStore
from tests.api.events.test_tail import ScriptedFollower, event, session
from tests.api.test_erase import NOWHERE
from tests.clock import ManualClock
from tests.local_client import LocalClient
from tests.producers.write_side import FakeReader

SETTINGS = Settings(_env_file=None)


class Paced(ScriptedFollower):
    """Gives the event loop a turn with each poll, as a real one does."""

    error: BrokerUnavailable | None = None

    async def start(self) -> None:
        if self.error is not None:
            raise self.error

    async def poll(self) -> Any:
        await asyncio.sleep(0)
        return await super().poll()


class Served:
    """The route, on followers that give `batches`."""

    def __init__(self, *batches: list[TailRecord]) -> None:
        self.clock = ManualClock()
        self.ending = asyncio.Event()
        self.followers: list[Paced] = []
        self.wanted: list[Wanted] = []
        self.error: BrokerUnavailable | None = None

        def new_follower(wanted: Wanted) -> Paced:
            follower = Paced(self.clock, *batches)
            follower.error = self.error
            self.followers.append(follower)
            self.wanted.append(wanted)
            return follower

        self.app = FastAPI()
        problem.install(self.app)
        events = EventReader(MemoryStore(), "c.events", 1.0)
        self.app.include_router(
            tail_router(new_follower, events, SETTINGS, self.clock, self.ending)
        )

    @asynccontextmanager
    async def stream(self, query: str = "") -> AsyncIterator[Stream]:
        """An open response; the client leaves at the end."""
        stream = Stream()
        scope = {
            **{"type": "http", "method": "GET", "path": "/events/tail", "headers": []},
            **{"query_string": query.encode(), "raw_path": b"/events/tail"},
        }
        stream.task = asyncio.create_task(self.app(scope, stream.receive, stream.send))
        try:
            await asyncio.wait_for(stream.begun.wait(), 30)
            yield stream
        finally:
            stream.gone.set()
            await asyncio.wait_for(stream.task, 30)


class Stream:
    """What a client has seen of a response."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.gone = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.text = ""
        self.is_over = False
        self._is_asked = False
        self._came = asyncio.Event()

    async def receive(self) -> Message:
        if not self._is_asked:
            self._is_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            self.text += message["body"].decode()
            self.is_over = not message.get("more_body", False)
            self.begun.set()
            self._came.set()

    async def until(self, text: str) -> None:
        async with asyncio.timeout(30):
            while text not in self.text:
                await self._more()

    async def end(self) -> None:
        async with asyncio.timeout(30):
            while not self.is_over:
                await self._more()

    async def _more(self) -> None:
        self._came.clear()
        await self._came.wait()


def test_each_record_is_one_event_with_one_line_of_json() -> None:
    async def test() -> None:
        odd = event("a\nb\r\u2028", object_id="\x00")
        served = Served([session(), odd])
        async with served.stream() as stream:
            await stream.until("\\n")
            assert stream.status == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["cache-control"] == "no-store, no-transform"
            assert stream.headers["x-accel-buffering"] == "no"
            assert stream.text.startswith("retry: 3000\n: live\n\n")
            events = [part for part in stream.text.split("\n\n") if part.startswith("data: ")]
            first, second = (json.loads(part.removeprefix("data: ")) for part in events)
            assert first == {
                **{"state": "accepted", "at": 1, "kind": "session", "session_id": "s"},
                "results": 3,
            }
            assert (second["event_id"], second["object_id"]) == ("a\nb\r\u2028", "\x00")
        assert served.followers[0].is_closed

    asyncio.run(test())


def test_silence_has_a_heartbeat() -> None:
    async def test() -> None:
        served = Served()
        async with served.stream() as stream:
            await stream.until(": live\n\n:\n\n:\n\n")
            assert 20 <= served.clock.monotonic() <= 22

    asyncio.run(test())


def test_it_ends_well_when_the_process_is_to_stop() -> None:
    async def test() -> None:
        served = Served([session()])
        async with served.stream() as stream:
            await stream.until("data: ")
            served.ending.set()
            await stream.end()
        assert served.followers[0].is_closed

    asyncio.run(test())


def test_it_ends_after_the_seconds_that_were_asked_for() -> None:
    async def test() -> None:
        served = Served([session()])
        async with served.stream("seconds=7") as stream:
            await stream.end()
            assert 7 <= served.clock.monotonic() <= 8

    asyncio.run(test())


def test_what_is_asked_for_reaches_the_filter() -> None:
    async def test() -> None:
        served = Served()
        query = "session_id=s&user_id=ann&event_type=buy,sell&state=joined,waiting&per_second=7"
        async with served.stream(query):
            (wanted,) = served.wanted
        assert (wanted.session_id, wanted.user_ids) == ("s", ("ann",))
        assert wanted.event_types == {"buy", "sell"}
        assert (wanted.states, wanted.per_second) == ({"joined", "waiting"}, 7)

    asyncio.run(test())


def test_kafka_that_is_away_is_a_503_and_takes_no_place() -> None:
    async def test() -> None:
        served = Served()
        served.error = BrokerUnavailable("Kafka does not answer")
        for _ in range(SETTINGS.reads.tails_per_key + 1):
            async with served.stream() as stream:
                assert stream.status == 503
        assert all(follower.is_closed for follower in served.followers)

    asyncio.run(test())


def test_a_key_has_so_many_streams_and_no_more_and_a_client_that_leaves_gives_its_place_back() -> (
    None
):
    async def test() -> None:
        served, most = Served(), SETTINGS.reads.tails_per_key
        for _ in range(3):
            streams = [served.stream() for _ in range(most)]
            for stream in streams:
                assert (await stream.__aenter__()).status == 200
            async with served.stream() as refused:
                assert refused.status == 429
                assert int(refused.headers["retry-after"]) >= 30
            for stream in streams:
                await stream.__aexit__(None, None, None)
        assert len(served.followers) == 3 * most
        assert all(follower.is_closed for follower in served.followers)

    asyncio.run(test())


def test_keys_do_not_take_places_from_each_other_until_the_process_has_none() -> None:
    slots = TailSlots(4)
    free = [slots.take(f"key-{number}") for number in range(4) for _ in range(4)]
    with pytest.raises(TooManyRequests):
        slots.take("key-0")
    with pytest.raises(Overloaded):
        slots.take("key-9")
    for each in free:
        each()
    slots.take("key-9")


@pytest.mark.parametrize(
    ("key", "query", "status"),
    [
        (None, "", 401),
        ("w-key", "", 403),
        ("r-key", "?session_id=", 422),
        ("r-key", "?session_id=%20", 422),
        ("r-key", "?user_id=" + "u" * 513, 422),
        ("r-key", "?state=lost", 422),
        ("r-key", "?per_second=0", 422),
        ("r-key", "?per_second=1000", 422),
        ("r-key", "?seconds=0", 422),
        ("r-key", "?state=joined&state=waiting", 422),
        ("r-key", "?limit=1", 422),
    ],
)
def test_it_needs_a_read_key_and_parameters_that_it_has(
    key: str | None, query: str, status: int
) -> None:
    component = ReadComponent(NOWHERE, eraser_of(NOWHERE), FakeReader())
    with LocalClient(build_app(NOWHERE, [component])) as client:
        answer = client.get(f"/events/tail{query}", headers={"X-API-Key": key} if key else {})
    assert answer.status_code == status
