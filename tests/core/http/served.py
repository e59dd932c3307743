"""The real write side on memory, served over a socket: a test chooses how it asks."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import uvicorn

from clickstream.local.processes.ports import free_port
from core.http.app import Application
from core.http.policies import RequestPolicies
from core.http.protocol import ProtocolFactory
from core.settings import Settings
from producers.component import WriteComponent
from producers.endpoints import Endpoints
from schemas.topics import Topics
from tests.clock import ManualClock
from tests.producers.memory_publisher import MemoryPublisher
from tests.producers.write_side import FakeReader, FakeSessionLookup

WAYS = ("plain", "close", "chunked")
"""A request with a Content-Length on a connection that stays, or ends; and one in chunks, which
only the application takes."""

EVENTS = {"session_id": "s", "events": [{"event_id": "e", "object_id": "o"}]}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Served:
    """The server's port, and what it shares with the test."""

    port: int
    clock: ManualClock
    policies: RequestPolicies
    publisher: MemoryPublisher
    endpoints: Endpoints

    def post(self, way: str, body: Any = EVENTS, **headers: str) -> Reply:
        """POST /session/events in one of `WAYS`.

        Underscores in header names become dashes.
        """
        return self.ask(way, "POST", "/session/events", json.dumps(body), headers)

    def ask(
        self,
        way: str,
        method: str,
        path: str,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request on a connection of its own."""
        sent = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        sent["Connection"] = "close" if way == "close" else "keep-alive"
        content = body.encode() if isinstance(body, str) else body
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            if way == "chunked" and content is not None:
                sent["Transfer-Encoding"] = "chunked"
                connection.request(method, path, [content], sent, encode_chunked=True)
            else:
                connection.request(method, path, content, sent)
            answer = connection.getresponse()
            given = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, given, answer.read())
        finally:
            connection.close()


@contextmanager
def served(settings: Settings) -> Iterator[Served]:
    """Serve on a thread of its own until the end."""
    clock = ManualClock()
    publisher = MemoryPublisher(Topics.from_settings(settings), settings.topics.partitions)
    component = WriteComponent(settings, publisher, FakeReader(), FakeSessionLookup(), clock)
    app = Application([component], RequestPolicies.from_settings(settings, clock))
    port = free_port()
    config = uvicorn.Config(
        app,
        port=port,
        http=cast(
            "type[asyncio.Protocol]",
            ProtocolFactory(app.raw_post_handlers(), app.policies, settings.http, settings.limits),
        ),
        lifespan="off",
        log_config=None,
        ws="none",
        server_header=False,
    )
    server = uvicorn.Server(config)
    started = threading.Event()

    async def run() -> None:
        async with app.running():
            serving = asyncio.create_task(server._serve())
            while not server.started and not serving.done():  # noqa: ASYNC110  (no event for it)
                await asyncio.sleep(0.01)
            started.set()
            await serving

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert started.wait(30)
        yield Served(port, clock, app.policies, publisher, component._endpoints)
    finally:
        server.should_exit = True
        thread.join(30)
