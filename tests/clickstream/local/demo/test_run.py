"""A whole run against a server in memory: honest ones pass, and a forgetful one does not."""

from __future__ import annotations

import asyncio
import io
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from rich.console import Console

from clickstream.local.demo import run as demo
from clickstream.local.demo.reconciliation import ObservedState
from clickstream.local.demo.report import print_result
from clickstream.local.demo.result import DemoResult
from clickstream.local.demo.verification import Relevant
from clickstream.progress import ConsoleProgress
from core.clock import SystemClock
from core.settings import Settings

Json = dict[str, Any]


class MemoryServer:
    """The API, and what SQL would read. `forgets_marks`: it acknowledges them and does nothing;
    `stores`: otherwise it refuses every post."""

    def __init__(self, *, forgets_marks: bool = False, stores: bool = True) -> None:
        self._stores = stores
        self.sessions: dict[str, Json] = {}
        self.events: dict[str, dict[str, Json]] = {}
        self.marks: set[str] = set()
        self._forgets_marks = forgets_marks

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and not self._stores:
            return httpx.Response(422, text="no")
        if request.method == "POST":
            self._store(request.url.path, json.loads(request.content))
            return httpx.Response(200, json={})
        if request.url.path == "/session":
            session = self._whole(request.url.params["session_id"])
            return httpx.Response(200, json=session) if session else httpx.Response(404)
        if request.url.path == "/export/sessions":
            lines = [json.dumps(self._whole(session_id)) + "\n" for session_id in self.sessions]
            return httpx.Response(200, content="".join(lines).encode())
        counted = self._relevant()
        return httpx.Response(200, json={"sessions": counted.sessions, "events": counted.events})

    def _store(self, path: str, body: Json) -> None:
        session_id = body["session_id"]
        if path == "/session":
            self.sessions.setdefault(session_id, body)
        elif path == "/session/events":
            for event in body["events"]:
                self.events.setdefault(session_id, {}).setdefault(event["event_id"], event)
        elif not self._forgets_marks:
            self.marks.add(session_id)

    def _whole(self, session_id: str) -> Json | None:
        session = self.sessions.get(session_id)
        events = list(self.events.get(session_id, {}).values())
        marked = session_id in self.marks
        return session and {**session, "events": events, "is_irrelevant": marked}

    def _relevant(self) -> Relevant:
        kept = self.sessions.keys() - self.marks
        return Relevant(len(kept), sum(len(self.events.get(key, ())) for key in kept))

    async def has_session(self, session_id: str) -> bool:
        return session_id in self.sessions

    async def relevant(self, run_id: str) -> Relevant:
        assert all(session_id.startswith(run_id) for session_id in self.sessions)
        return self._relevant()

    async def read_all(self, run_id: str) -> ObservedState:
        every = ((session, event) for session, events in self.events.items() for event in events)
        keys = [key for key in every if key[0].startswith(run_id)]
        return ObservedState(
            sessions=Counter(self.sessions.keys()),
            joined=Counter(key for key in keys if key[0] in self.sessions),
            unjoined=Counter(key for key in keys if key[0] not in self.sessions),
            irrelevant=frozenset(self.marks & self.sessions.keys()),
        )


def run_against(server: MemoryServer, monkeypatch: pytest.MonkeyPatch) -> DemoResult:
    @asynccontextmanager
    async def no_clickhouse(_: Settings) -> AsyncIterator[None]:
        yield None

    def client(url: str, key: str | None) -> httpx.AsyncClient:
        transport = httpx.MockTransport(server.answer)
        return httpx.AsyncClient(base_url=url, transport=transport)

    monkeypatch.setattr(demo, "_sql_client", no_clickhouse)
    monkeypatch.setattr(demo, "SqlReader", lambda _: server)
    monkeypatch.setattr(demo, "http_client", client)
    options, progress = demo.DemoOptions(300, seed=1), ConsoleProgress(Console(file=io.StringIO()))
    settings = Settings(_env_file=None)
    return asyncio.run(demo.run(options, "http://api", settings, SystemClock(), progress))


def test_an_honest_server_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_against(MemoryServer(), monkeypatch)
    assert result.passed
    assert result.mark is not None
    assert result.mark.after.sessions == result.mark.before.sessions - 1
    assert result.freshness


def test_a_server_that_forgets_marks_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_against(MemoryServer(forgets_marks=True), monkeypatch)
    assert not result.passed
    assert result.missing > 0
    assert result.mark is not None
    assert not result.mark.as_promised


def test_a_server_that_refuses_everything_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_against(MemoryServer(stores=False), monkeypatch)
    assert not result.passed
    assert len(result.refused) > 300
    shown = Console(file=io.StringIO(), record=True)
    print_result(result, shown)
    assert "422: no" in shown.export_text()
    assert json.loads(json.dumps(result.as_json()))["example"] is None
