from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from tests.api.console.browser import Watched, running_browser
from tests.e2e.process_pair import ProcessPair

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.conftest import Corner

READ_KEY = "cs_read_of-the-console-tests"
SESSIONS = 200

OpenPage = Callable[..., Watched]


@dataclass(frozen=True, slots=True)
class Systems:
    """One that is open, with the sample data; one with keys, on the same tables."""

    open: ProcessPair
    with_keys: str


@pytest.fixture(scope="module")
def systems(corner: Corner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Systems]:
    from clickstream.local.data_directory import DataDirectory
    from clickstream.local.processes.ports import LOOPBACK, free_port
    from clickstream.local.processes.process_manager import ProcessManager
    from clickstream.local.processes.service import Service
    from clickstream.local.up.app_services import http_service
    from tests.e2e.process_pair import environment_of

    folder: Path = tmp_path_factory.mktemp("keyed")
    with (
        corner(dimensions=("search_meta.device",), event_value="meta.amount") as settings,
        ProcessPair(settings, tmp_path_factory.mktemp("open")) as pair,
    ):
        send_sample(pair)
        keyed = settings.model_copy(update={"read_keys": (SecretStr(READ_KEY),)})
        manager = ProcessManager()
        service = Service(
            http_service(DataDirectory(folder), environment_of(keyed), LOOPBACK, free_port()),
            manager,
        )
        try:
            service.spawn()
            service.wait()
            yield Systems(pair, service.url)
        finally:
            service.stop()
            manager.close()


def send_sample(pair: ProcessPair) -> None:
    """A small month, and a click that lost its session."""
    import time

    from clickstream.local.demo.sample.month import Month

    for post in Month(SESSIONS, int(time.time() * 1000)).posts():
        assert pair.post(post.path, post.body).is_success
    lost: dict[str, Any] = {"event_id": "e1", "object_id": "a", "event_type": "click"}
    assert pair.post("/session/events", {"session_id": "lost", "events": [lost]}).is_success
    pair.catch_up()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture
def open_page(browser: Browser, systems: Systems) -> Iterator[OpenPage]:
    """Pages of the open system; each is checked at the end of the test."""
    opened: list[Watched] = []

    def open_one(
        path: str = "/",
        url: str | None = None,
        expected: Iterable[tuple[int, str]] = (),
        **context: Any,
    ) -> Watched:
        watched = Watched(browser, url or systems.open.url, **context)
        watched.expected.update(expected)
        opened.append(watched)
        watched.open(path)
        return watched

    yield open_one
    for watched in opened:
        watched.check()
