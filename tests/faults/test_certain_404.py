"""Right after a session is acknowledged, by whichever process, no other process answers 404."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from clickstream.local.data_directory import DataDirectory
from clickstream.local.processes.ports import LOOPBACK, free_port
from clickstream.local.processes.process_manager import ProcessManager
from clickstream.local.processes.service import Service, stop_all
from clickstream.local.up.app_services import http_service
from tests.e2e.process_pair import environment_of
from tests.stream_processors.fleet import Fleet

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_200)]

CLIENTS = 10
# `make faults` asks for a thousand; CI is content with the default.
SESSIONS = int(os.environ.get("CLICKSTREAM_TEST_SESSIONS", "100"))


@contextmanager
def two_http_processes(settings: Settings, folder: Path) -> Iterator[list[str]]:
    """Each serves the write and the read API; they know nothing of each other."""
    manager = ProcessManager()
    services = [
        Service(
            http_service(
                DataDirectory(folder / str(n)), environment_of(settings), LOOPBACK, free_port()
            ),
            manager,
        )
        for n in range(2)
    ]
    try:
        for service in services:
            service.spawn()
        for service in services:
            service.wait()
        yield [service.url for service in services]
    finally:
        stop_all(services)
        manager.close()


async def create_then(use: str, urls: list[str]) -> list[int]:
    """Create on one process and at once `get` or `mark` on the other; the second one's statuses."""
    numbers = itertools.count()
    statuses: list[int] = []

    async def client(http: httpx.AsyncClient) -> None:
        while (number := next(numbers)) < SESSIONS:
            first, second = urls[number % 2], urls[(number + 1) % 2]
            body = {
                "session_id": f"{use}-{number}",
                "search_query": "boots",
                "search_results": [],
            }
            (await http.post(f"{first}/session", json=body)).raise_for_status()
            id_ = {"session_id": body["session_id"]}
            if use == "get":
                answer = await http.get(f"{second}/session", params=id_)
            else:
                answer = await http.post(f"{second}/session/irrelevant", json=id_)
            statuses.append(answer.status_code)

    async with httpx.AsyncClient(timeout=60) as http, asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client(http))
    return statuses


def test_create_then_get_and_create_then_mark_never_meet_a_false_404(
    settings: Settings, tmp_path: Path
) -> None:
    with (
        two_http_processes(settings, tmp_path) as urls,
        Fleet(settings, tmp_path / "workers", count=2),
    ):
        for use in ("get", "mark"):
            statuses = asyncio.run(create_then(use, urls))
            assert statuses == [200] * SESSIONS
        with httpx.Client() as http:
            for url in urls:
                answer = http.get(f"{url}/session", params={"session_id": "nobody"}, timeout=30)
                assert answer.status_code == 404
                left_out = http.get(f"{url}/export/sessions", timeout=30).text
                assert '"mark-' not in left_out
                assert left_out.count('"get-') == SESSIONS
