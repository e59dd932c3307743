"""What orchestrators are told of a worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client import generate_latest

from clickstream.local.processes.ports import free_port
from core.telemetry import WORKER_PAUSED, registry_of
from schemas.dead_letters import Reason
from stream_processors.process.health_server import Health, begin_at_zero, serve_probe


@contextmanager
def probe(alive: Health, ready: Health) -> Iterator[httpx.Client]:
    port = free_port()
    server = serve_probe("127.0.0.1", port, alive, ready)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield client
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("path", "other"), [("/livez", "/readyz"), ("/readyz", "/livez")])
def test_each_answers_for_itself(path: str, other: str) -> None:
    troubles = {path: "paused: ClickHouse: its disk is full", other: None}
    with probe(lambda: troubles["/livez"], lambda: troubles["/readyz"]) as client:
        refused, fine = client.get(path), client.get(other)
    assert (refused.status_code, refused.text) == (503, "paused: ClickHouse: its disk is full\n")
    assert (fine.status_code, fine.text) == (200, "ok\n")


def test_trouble_that_passes_is_forgotten() -> None:
    troubles = ["starting", None]
    with probe(lambda: None, lambda: troubles.pop(0)) as client:
        assert [client.get("/readyz").status_code for _ in range(2)] == [503, 200]


def test_the_pause_is_in_the_metrics() -> None:
    with probe(lambda: None, lambda: None) as client, WORKER_PAUSED.track_inprogress():
        assert "clickstream_worker_paused 1.0" in client.get("/metrics").text


def test_counters_of_its_topics_are_there_before_the_first_record() -> None:
    begin_at_zero(["begun.events"])
    text = generate_latest(registry_of(["worker"])).decode()
    for name in ("records", "lost"):
        assert f'clickstream_worker_{name}_total{{topic="begun.events"}} 0.0' in text
    for reason in Reason:
        assert f'clickstream_worker_dead_letters_total{{reason="{reason.value}"}}' in text
