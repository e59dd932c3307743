"""A traced request can be followed from the edge through Kafka to its insert."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from core.settings import Settings
from tests.collector import CollectedSpan, Collector, collecting
from tests.e2e.process_pair import ProcessPair
from tests.waiting import wait_until

pytestmark = pytest.mark.engines

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
SESSION = {
    "session_id": "traced",
    "search_query": "boots",
    "search_results": [{"object_id": "p-1"}],
    "created_at": 1_790_000_000_000,
}
EVENTS = {
    "session_id": "traced",
    "events": [
        {
            "event_id": "e-1",
            "object_id": "p-1",
            "event_type": "click",
            "created_at": 1_790_000_001_000,
        }
    ],
}


def test_a_request_is_followed_to_its_insert(settings: Settings, tmp_path: Path) -> None:
    with collecting() as collector:
        traced = settings.model_copy(update={"traces_url": collector.url})
        with ProcessPair(traced, tmp_path) as pair, httpx.Client(base_url=pair.url) as client:
            untraced = client.post("/session", json=SESSION | {"session_id": "other"})
            assert untraced.status_code == 200
            for path, body in (("/session", SESSION), ("/session/events", EVENTS)):
                answer = client.post(path, json=body, headers={"traceparent": SAMPLED})
                assert answer.status_code == 200
                assert answer.headers["x-request-id"] == TRACE
            wait_until(
                lambda: "insert events" in {span.name for span in collector.spans}, seconds=60
            )
        spans = collector.spans
    assert {span.trace for span in spans} == {TRACE}
    for path, topic, table in (
        ("/session", settings.topics.prefix + "sessions", "sessions"),
        ("/session/events", settings.topics.prefix + "events", "events"),
    ):
        request = only(collector, f"POST {path}")
        publish = only(collector, f"publish {topic}")
        assert request.process == "clickstream-http"
        assert publish.parent == request.id
        flush = next(span for span in spans if (span.name, span.parent) == ("flush", publish.id))
        assert flush.process == "clickstream-worker"
        inserts = [span.name for span in spans if span.parent == flush.id]
        assert f"insert {table}" in inserts
        assert request.begun <= publish.begun <= flush.begun <= flush.ended
    if into := os.environ.get("CLICKSTREAM_TEST_TRACE_FILE"):  # for docs/draw_trace.py
        Path(into).write_text(json.dumps([asdict(span) for span in spans]), "utf-8")


def only(collector: Collector, name: str) -> CollectedSpan:
    (span,) = (span for span in collector.spans if span.name == name)
    return span
