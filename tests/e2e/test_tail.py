"""What comes is watched while it comes, over HTTP and by the command, on real engines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from schemas.topics import Topics
from tests.conftest import Corner
from tests.e2e.process_pair import ProcessPair

pytestmark = pytest.mark.engines

# How long a line may take on a busy machine; all else is told sooner.
_SECONDS = 90.0


@contextmanager
def tail(pair: ProcessPair, **query: str | int) -> Iterator[Iterator[dict[str, Any]]]:
    """The lines, from the moment on at which this context is entered."""
    address = f"{pair.url}/events/tail"
    with httpx.stream("GET", address, params=query, timeout=_SECONDS) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": live"
        yield (json.loads(line.removeprefix("data: ")) for line in lines if line[:6] == "data: ")


def post_session(pair: ProcessPair, session_id: str, **more: Any) -> None:
    body = {"session_id": session_id, "search_query": "q", "search_results": [{"object_id": "o"}]}
    assert pair.post("/session", {**body, **more}).status_code == 200


def post_event(pair: ProcessPair, session_id: str, event_id: str = "e") -> None:
    events = {"session_id": session_id, "events": [{"event_id": event_id, "object_id": "o"}]}
    assert pair.post("/session/events", events).status_code == 200


def refuse(pair: ProcessPair, session_id: str) -> None:
    """Something that is no record of ours, as another program would write it."""
    options = {**pair.settings.kafka_options(), "partitioner": "murmur2_random"}
    producer = Producer(options)
    producer.produce(Topics.from_settings(pair.settings).events, b"no Avro", session_id.encode())
    assert producer.flush(30) == 0


def test_an_event_from_its_post_to_its_session_and_one_that_is_refused(pair: ProcessPair) -> None:
    session_id = f"sess-{uuid.uuid4().hex[:12]}"
    with tail(pair, session_id=session_id) as lines:
        post_session(pair, "another")
        post_event(pair, session_id)
        accepted, waiting = next(lines), next(lines)
        post_session(pair, session_id)
        came, joined = next(lines), next(lines)
        refuse(pair, session_id)
        unread, refused = next(lines), next(lines)
    all_ = (accepted, waiting, came, joined, unread, refused)
    assert {line["session_id"] for line in all_} == {session_id}
    assert [accepted["state"], accepted["kind"], accepted["event_id"]] == ["accepted", "event", "e"]
    assert [waiting["state"], waiting["event_id"]] == ["waiting", "e"]
    assert [came["state"], came["kind"], came["results"]] == ["accepted", "session", 1]
    assert [joined["state"], joined["position"], joined["search_query"]] == ["joined", 1, "q"]
    assert [unread["state"], "event_id" in unread] == ["accepted", False]
    assert [refused["state"], refused["reason"]] == ["refused", "bad_magic_byte"]


def test_the_command_prints_the_same_lines_and_ends_after_as_many_as_were_asked_for(
    pair: ProcessPair,
) -> None:
    user = f"user-{uuid.uuid4().hex[:12]}"
    process = subprocess.Popen(
        [sys.executable, "-m", "clickstream", "tail", "--json", "--lines", "3", "--user-id", user],
        env={**os.environ, **pair.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "watching" in process.stderr.readline()
        session_id = f"sess-{uuid.uuid4().hex[:12]}"
        post_session(pair, session_id, user_id=user)
        post_event(pair, session_id)
        out, error = process.communicate(timeout=_SECONDS)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, error
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["state"] for line in lines] == ["accepted", "accepted", "joined"]
    assert lines[0]["user_id"] == user


def test_a_process_that_is_to_end_ends_its_streams_first(corner: Corner, tmp_path: Path) -> None:
    with corner() as settings, ProcessPair(settings, tmp_path) as pair:
        with tail(pair) as lines:
            pid = pair.edge.pid
            assert pid is not None
            os.kill(pid, signal.SIGTERM)
            # An answer that was cut off would be an error of the client.
            assert list(lines) == []
        pair.edge.stop()
        assert "Traceback" not in (tmp_path / "logs" / "http.log").read_text()
