"""What cannot be accepted is refused with the field's name, and nothing of it reaches Kafka."""

from __future__ import annotations

import json
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.topics import Topics
from tests.e2e.examples import EVENTS, SESSION
from tests.e2e.process_pair import ProcessPair

pytestmark = pytest.mark.engines

JSON = "application/json"


def log_ends(pair: ProcessPair) -> dict[tuple[str, int], int]:
    """The end offset of every partition that requests write to."""
    topics = Topics.from_settings(pair.settings)
    consumer = Consumer(pair.settings.kafka_options() | {"group.id": "looks-at-ends"})
    try:
        return {
            (topic, n): consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=10)[1]
            for topic in (topics.sessions, topics.events, topics.marks)
            for n in range(pair.settings.topics.partitions)
        }
    finally:
        consumer.close()


def without(body: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """A copy that lacks one field."""
    copied: dict[str, Any] = json.loads(json.dumps(body))
    *steps, last = path
    place: Any = copied
    for step in steps:
        place = place[step]
    del place[last]
    return copied


WRONG_FIELDS = [
    ("/session", without(SESSION, "session_id"), "session_id"),
    ("/session", without(SESSION, "search_query"), "search_query"),
    ("/session", without(SESSION, "search_results"), "search_results"),
    ("/session", without(SESSION, "search_results", 0, "object_id"), "object_id"),
    ("/session", {**SESSION, "session_id": ""}, "session_id"),
    ("/session", {**SESSION, "session_id": "x" * 513}, "session_id"),
    ("/session", {**SESSION, "session_id": 7}, "session_id"),
    ("/session", {**SESSION, "search_results": {}}, "search_results"),
    ("/session", {**SESSION, "search_meta": []}, "search_meta"),
    ("/session", {**SESSION, "created_at": 1701012345}, "created_at"),
    ("/session", {**SESSION, "created_at": 1701012345678901}, "created_at"),
    ("/session", {**SESSION, "created_at": "yesterday"}, "created_at"),
    ("/session/events", without(EVENTS, "session_id"), "session_id"),
    ("/session/events", without(EVENTS, "events"), "events"),
    ("/session/events", {**EVENTS, "events": []}, "events"),
    ("/session/events", without(EVENTS, "events", 0, "event_id"), "event_id"),
    ("/session/events", without(EVENTS, "events", 0, "object_id"), "object_id"),
    (
        "/session/events",
        {**EVENTS, "events": [{**EVENTS["events"][0], "event_id": ""}]},
        "event_id",
    ),
    ("/session/irrelevant", {}, "session_id"),
    ("/session/irrelevant", {"session_id": ""}, "session_id"),
]

MALFORMED = [b"", b"{", b"nonsense", b'{"session_id": "a",}', b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize(("path", "body", "field"), WRONG_FIELDS)
def test_a_wrong_field_is_named(pair: ProcessPair, path: str, body: Any, field: str) -> None:
    before = log_ends(pair)
    answer = pair.post(path, body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert any(field in error["path"] for error in answer.json()["errors"])
    assert log_ends(pair) == before


@pytest.mark.parametrize("path", ["/session", "/session/events", "/session/irrelevant"])
def test_malformed_bodies_are_refused(pair: ProcessPair, path: str) -> None:
    before = log_ends(pair)
    for body in MALFORMED:
        answer = pair.post_raw(path, body, JSON)
        assert 400 <= answer.status_code < 500, (body[:20], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert log_ends(pair) == before


@pytest.mark.parametrize("content_type", ["text/csv", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(pair: ProcessPair, content_type: str) -> None:
    before = log_ends(pair)
    answer = pair.post_raw("/session", json.dumps(SESSION).encode(), content_type)
    assert answer.status_code == 415
    assert log_ends(pair) == before


def test_one_wrong_event_refuses_the_whole_request(pair: ProcessPair) -> None:
    before = log_ends(pair)
    mixed = {**EVENTS, "events": [*EVENTS["events"], {"event_id": "no-object"}]}
    answer = pair.post("/session/events", mixed)
    assert answer.status_code == 422
    assert "events[1]" in answer.text
    assert log_ends(pair) == before


def test_a_body_beyond_the_limit_is_refused(pair: ProcessPair) -> None:
    before = log_ends(pair)
    body = {**SESSION, "search_query": "x" * pair.settings.limits.body_bytes}
    answer = pair.post("/session", body)
    assert answer.status_code == 413
    assert log_ends(pair) == before


def test_reads_refuse_bad_questions(pair: ProcessPair) -> None:
    assert pair.get_at_once("/session").status_code == 422
    assert pair.get_at_once("/session", session_id="").status_code == 422
    assert pair.get_at_once("/analytics/overview", **{"from": "soon"}).status_code == 422
