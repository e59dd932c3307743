"""Waiting for a server that is down: for ever, with a reason, and not past an order to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from core.errors import RegistryUnavailable, SinkUnavailable, Unavailable
from stream_processors.process.retry import UntilItWorks


class Server:
    """Down until told otherwise; says when it has been asked."""

    def __init__(self, error: Unavailable) -> None:
        self._error = error
        self._up = threading.Event()
        self.asked = threading.Semaphore(0)

    def __call__(self) -> str:
        self.asked.release()
        if not self._up.is_set():
            raise self._error
        return "done"

    def come_back(self) -> None:
        self._up.set()


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_for_attempts(server: Server, count: int) -> None:
    for _ in range(count):
        assert server.asked.acquire(timeout=30)


def test_it_says_why_it_waits_and_stops_saying_so() -> None:
    retry, server = UntilItWorks(), Server(SinkUnavailable("ClickHouse: its disk is full"))
    results: list[str] = []
    thread = in_thread(lambda: results.append(retry(server)))
    wait_for_attempts(server, 2)
    assert retry.outage == "ClickHouse: its disk is full"
    server.come_back()
    thread.join(30)
    assert results == ["done"]
    assert retry.outage is None


def test_one_wait_that_ends_does_not_hide_another() -> None:
    retry = UntilItWorks()
    sink, registry = Server(SinkUnavailable("sink")), Server(RegistryUnavailable("registry"))
    threads = [in_thread(lambda: retry(sink)), in_thread(lambda: retry(registry))]
    wait_for_attempts(sink, 2)
    wait_for_attempts(registry, 2)
    registry.come_back()
    threads[1].join(30)
    assert retry.outage == "sink"
    sink.come_back()
    threads[0].join(30)
    assert retry.outage is None


def test_an_order_to_stop_ends_the_wait_with_the_error() -> None:
    retry, server = UntilItWorks(), Server(SinkUnavailable("gone"))
    errors: list[str] = []

    def wait() -> None:
        with pytest.raises(SinkUnavailable) as ended:
            retry(server)
        errors.append(str(ended.value))

    thread = in_thread(wait)
    wait_for_attempts(server, 2)
    retry.stop()
    thread.join(30)
    assert errors == ["gone"]


def test_a_long_outage_is_one_line_and_its_end_another(caplog: pytest.LogCaptureFixture) -> None:
    retry, server = UntilItWorks(), Server(SinkUnavailable("ClickHouse: its disk is full"))
    with caplog.at_level(logging.INFO, "stream_processors.process.retry"):
        thread = in_thread(lambda: retry(server))
        wait_for_attempts(server, 4)
        server.come_back()
        thread.join(30)
    paused, going_on = (record.getMessage() for record in caplog.records)
    assert paused.startswith("paused, ")
    assert paused.endswith("its disk is full")
    assert going_on.startswith("going on after ")
