from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from starlette.types import Message, Receive

from core.consistency.position import POSITION_HEADER, parse_positions
from core.errors import BrokerUnavailable, RegistryUnavailable, Unavailable
from core.http.app import PREFIX
from core.settings import Limits, Settings
from schemas.contracts import EVENT, SESSION
from tests.producers.bodies import event, events, session
from tests.producers.write_side import WriteSide, write_side

SETTINGS = Settings(_env_file=None, limits=Limits(body_bytes=4_000))
PATHS = ["/session", "/session/events", "/session/irrelevant"]


@pytest.fixture
def side() -> Iterator[WriteSide]:
    with write_side(SETTINGS) as side:
        side.sessions.stored.add("s-1")
        yield side


@pytest.fixture(params=["", PREFIX], ids=["root", "prefixed"])
def at(request: pytest.FixtureRequest) -> str:
    prefix: str = request.param
    return prefix


def test_session_is_durable_and_placed_when_it_is_answered(side: WriteSide, at: str) -> None:
    answer = side.client.post(
        f"{at}/session", json=session(search_meta={"a": 1}, created_at=10**12)
    )
    assert (answer.status_code, answer.json()) == (200, {"session_id": "s-1", "accepted": 1})
    (entry,) = side.publisher.log
    assert (entry.contract, entry.key) == (SESSION, "s-1")
    assert entry.record["search_meta"] == '{"a":1}'
    assert entry.record["created_at"] == 10**12
    assert entry.record["received_at"] == side.clock.now_ms()
    assert parse_positions(answer.headers[POSITION_HEADER]) == (entry.position,)


def test_events_are_one_record_each_and_the_last_place_is_returned(
    side: WriteSide, at: str
) -> None:
    body = events(event(), event(event_id="e-2"), event(event_id="e-3"))
    answer = side.client.post(f"{at}/session/events", json=body)
    assert (answer.status_code, answer.json()) == (200, {"session_id": "s-1", "accepted": 3})
    assert [one["event_id"] for one in side.written(EVENT)] == ["e-1", "e-2", "e-3"]
    assert parse_positions(answer.headers[POSITION_HEADER]) == (side.publisher.log[-1].position,)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("content", "status", "place"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b'{"session_id": "\xff"}', 400, None),
        (b"[]", 422, "$"),
        (b'{"x": "' + b"x" * 4_000 + b'"}', 413, None),
        (b'{"x": ' + b"[" * 1_500 + b"]" * 1_500 + b"}", 422, "$"),
    ],
)
def test_bad_body_is_refused_by_a_problem_document_and_nothing_is_written(
    side: WriteSide, at: str, path: str, content: bytes, status: int, place: str | None
) -> None:
    answer = side.client.post(
        at + path, content=content, headers={"content-type": "application/json"}
    )
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"]) == (status, status)
    assert {"type", "title", "status", "detail", "instance", "errors"} == set(problem)
    assert [error["path"] for error in problem["errors"]] == ([place] if place else [])
    assert not side.publisher.log


@pytest.mark.parametrize("path", PATHS)
def test_form_data_is_refused(side: WriteSide, at: str, path: str) -> None:
    answer = side.client.post(at + path, data={"session_id": "s-1"})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/session", "/session/events"])
@pytest.mark.parametrize(
    "down", [BrokerUnavailable("no answer", retry_after=3), RegistryUnavailable("no ids")]
)
def test_what_cannot_be_made_durable_is_a_503_that_says_when_to_retry(
    side: WriteSide, at: str, path: str, down: Unavailable
) -> None:
    side.publisher.failing = down
    body = session() if path == "/session" else events(event())
    answer = side.client.post(at + path, json=body)
    assert answer.status_code == 503
    assert down.retry_after <= int(answer.headers["retry-after"]) <= 2 * down.retry_after
    assert answer.json()["detail"] == str(down)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("key", "status"), [(None, 401), ("unknown", 401), ("reader", 403), ("writer", 422)]
)
def test_the_write_key_is_asked_for(path: str, at: str, key: str | None, status: int) -> None:
    keys = {"write_keys": (SecretStr("writer"),), "read_keys": (SecretStr("reader"),)}
    with write_side(SETTINGS.model_copy(update=keys)) as side:
        headers = {"x-api-key": key} if key else {}
        assert side.client.post(at + path, json={}, headers=headers).status_code == status


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_does_not_come_is_a_408(path: str) -> None:
    async def silence() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    assert answered(path, silence) == 408


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_leaves_is_counted_as_nginx_counts_it(path: str) -> None:
    async def hang_up() -> Message:
        return {"type": "http.disconnect"}

    assert answered(path, hang_up) == 499


def answered(path: str, receive: Receive) -> int:
    """The status of the response to a POST whose body comes from `receive`."""
    settings = Settings(_env_file=None, limits=Limits(body_seconds=0.01))
    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    with write_side(settings) as side:
        asyncio.run(side.client.app(scope, receive, send))
        assert not side.publisher.log
    return statuses[0]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_another_method_is_refused_with_those_that_there_are(
    side: WriteSide, at: str, method: str
) -> None:
    answer = side.client.request(method, f"{at}/session/events")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_document_shows_the_three_endpoints_once(side: WriteSide) -> None:
    document = side.client.get("/openapi.json").json()
    shown = {path for path in document["paths"] if "session" in path}
    assert shown == set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_the_document_s_example_is_accepted_as_it_stands(side: WriteSide, path: str) -> None:
    """And it fits the schema beside it, as does the answer."""
    import jsonschema

    document = side.client.get("/openapi.json").json()
    components = {"components": document["components"]}
    operation = document["paths"][path]["post"]
    sent = operation["requestBody"]["content"]["application/json"]
    side.sessions.stored.add(sent["example"]["session_id"])
    jsonschema.validate(sent["example"], {**sent["schema"], **components})
    answer = side.client.post(path, json=sent["example"])
    assert answer.status_code == 200
    answered = operation["responses"]["200"]["content"]["application/json"]
    jsonschema.validate(answer.json(), {**answered["schema"], **components})
    assert answer.json() == answered["example"]


def test_the_document_describes_every_field(side: WriteSide) -> None:
    schemas = side.client.get("/openapi.json").json()["components"]["schemas"]
    bodies = {"SessionBody", "SearchResultItem", "EventsBody", "EventItem", "MarkBody"}
    for name in bodies:
        assert schemas[name]["description"]
        for field, part in schemas[name]["properties"].items():
            assert "description" in part, f"{name}.{field}"


def test_readiness_tells_why_nothing_can_be_written(side: WriteSide) -> None:
    side.publisher.failing = BrokerUnavailable("Kafka does not answer")
    answer = side.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": ["write: Kafka does not answer"]}
    assert side.client.get("/livez").status_code == 200


def test_requests_are_counted_by_route(side: WriteSide) -> None:
    side.client.post("/session/events", json=events(event()))
    side.client.post("/session/events", content=b"{")
    text = side.client.get("/metrics").text
    counted = 'clickstream_http_requests_total{%s,route="/session/events",status="%d"}'
    caller = 'key="(none)",method="POST"'
    assert counted % (caller, 200) in text
    assert counted % (caller, 400) in text


def test_metadata_is_published_as_the_text_that_was_sent(side: WriteSide) -> None:
    text = '{"b":1.0,"a":[9223372036854775808,1e2],"u":"\\u00e9é"}'
    body = json.dumps(session())[:-1] + f', "search_meta": {text}}}'
    answer = side.client.post("/session", content=body.encode())
    assert answer.status_code == 200
    assert side.written(SESSION)[0]["search_meta"] == text
