"""What clients send in the field and nobody expects: `odd_inputs.json` has it, and what is right.

A case is a list of requests (`steps`), one `connection` with several requests whose bodies come
after their heads, a `record` past the edge, or a number of exports that are `open` at once.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from core import clickhouse
from core.consistency.position import POSITION_HEADER
from producers.kafka_publisher import KafkaPublisher
from schemas.contracts import SESSION
from tests.e2e.process_pair import ProcessPair

pytestmark = pytest.mark.engines

CASES = json.loads(Path(__file__).with_name("odd_inputs.json").read_text())
SECONDS = 60


def cases(kind: str) -> pytest.MarkDecorator:
    chosen = [case for case in CASES if kind in case]
    return pytest.mark.parametrize("case", chosen, ids=[case["name"] for case in chosen])


def test_there_are_as_many_as_were_met() -> None:
    assert len(CASES) == 24


@cases("steps")
def test_requests(pair: ProcessPair, case: dict[str, Any]) -> None:
    position = ""
    for step in case["steps"]:
        response, body = ask(pair, step, position)
        assert response.status == step["status"], (step["do"], body[:500])
        assert step.get("says", "") in body.decode()
        assert step.get("type", "") in response.headers["content-type"]
        if "line" in step:
            assert step["line"].items() <= line_of(body, step["line"]["session_id"]).items()
        position = response.headers.get(POSITION_HEADER) or position


@cases("connection")
def test_requests_on_one_connection(pair: ProcessPair, case: dict[str, Any]) -> None:
    with socket.create_connection(address_of(pair), timeout=SECONDS) as connection:
        for head, body, status in case["connection"]:
            connection.sendall(head.encode())
            time.sleep(0.02)
            connection.sendall(body.encode())
            response = http.client.HTTPResponse(connection)
            response.begin()
            response.read()
            assert response.status == status
            assert response.headers["connection"] != "close"


@cases("record")
def test_records_past_the_edge(pair: ProcessPair, case: dict[str, Any]) -> None:
    async def publish() -> None:
        publisher = KafkaPublisher.from_settings(pair.settings)
        await publisher.start()
        try:
            await publisher.publish(SESSION, case["record"]["session_id"], [case["record"]])
        finally:
            await publisher.stop()

    asyncio.run(publish())
    with clickhouse.connect(pair.settings) as client:
        deadline = time.monotonic() + SECONDS
        while not (found := client.query("SELECT reason FROM dead_letters").result_rows):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert found == [(case["reason"],)]
    session_id = case["record"]["session_id"]
    assert pair.get_at_once("/session", session_id=session_id).status_code == 404


@cases("open")
def test_exports_at_once(pair: ProcessPair, case: dict[str, Any]) -> None:
    """Each is larger than what the kernel takes of a response that nobody reads."""
    for number in range(12):
        large = {"session_id": f"large-{number}", "search_query": "", "search_results": []}
        assert pair.post("/session", {**large, "search_meta": {"x": "x" * 1_500_000}}).is_success
    pair.catch_up()
    with ExitStack() as stack:
        for _each in range(case["open"]):
            open_one = socket.socket()
            stack.enter_context(open_one)
            open_one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            open_one.connect(address_of(pair))
            open_one.sendall(f"{case['do']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert open_one.recv(12) == b"HTTP/1.1 200"
        response, body = ask(pair, case, "")
        assert (response.status, case["says"] in body.decode()) == (case["status"], True)


def ask(
    pair: ProcessPair, step: dict[str, Any], position: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """One request, once what was posted before it can be read."""
    method, path = step["do"].split(" ", 1)
    connection = http.client.HTTPConnection(*address_of(pair), timeout=SECONDS)
    body = step.get("body", "").replace("{5000 zeros}", "0" * 5_000).encode()
    headers = step.get("headers", [])
    if not headers and method != "POST" and position:
        headers = [[POSITION_HEADER, "{position}"]]
    try:
        connection.putrequest(method, path)
        for name, value in headers:
            connection.putheader(name, value.replace("{position}", position))
        if body:
            connection.putheader("Content-Type", "application/json")
            if step.get("coding") == "gzip":
                connection.putheader("Content-Encoding", "gzip")
                body = gzip.compress(body)
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def line_of(export: bytes, session_id: str) -> dict[str, Any]:
    """The line of a session, as readers find it that split texts wherever a line may end."""
    lines = [json.loads(line) for line in export.decode().splitlines()]
    (found,) = [line for line in lines if line["session_id"] == session_id]
    whole: dict[str, Any] = found
    return whole


def address_of(pair: ProcessPair) -> tuple[str, int]:
    host, port = pair.url.removeprefix("http://").split(":")
    return host, int(port)
