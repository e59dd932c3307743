from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from core.errors import (
    STATUS,
    BrokerUnavailable,
    ClickstreamError,
    FieldError,
    InvalidRequest,
    SessionNotFound,
    SetupError,
    SinkUnavailable,
    TooManyExports,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from core.http import problem
from core.http.app import build_app
from core.http.problem import is_expected, problem_of
from core.log_throttle import Throttle
from core.settings import Settings
from tests.core.http.components import FakeComponent
from tests.local_client import LocalClient


def failing_with(error: BaseException) -> LocalClient:
    async def fail() -> Response:
        raise error

    component = FakeComponent()
    component.handler = fail
    return LocalClient(build_app(Settings(_env_file=None), [component]))


def leaves(kind: type[ClickstreamError]) -> list[type[ClickstreamError]]:
    below = kind.__subclasses__()
    return [leaf for each in below for leaf in leaves(each)] if below else [kind]


@pytest.mark.parametrize("kind", list(STATUS), ids=lambda kind: kind.__name__)
def test_the_table_decides_what_an_error_looks_like(kind: type[ClickstreamError]) -> None:
    error = kind([FieldError("$", "is wrong")]) if kind is InvalidRequest else kind("why")
    answer = problem_of(error)
    document = json.loads(answer.body)
    assert answer.status == document["status"] == STATUS[kind].status
    assert document["type"] == f"urn:clickstream:problem:{STATUS[kind].slug}"
    assert document["title"] == STATUS[kind].title
    assert dict(answer.headers)[b"content-type"] == b"application/problem+json"
    assert (b"retry-after" in dict(answer.headers)) == issubclass(
        kind, Unavailable | TooManyRequests
    )
    assert (b"www-authenticate" in dict(answer.headers)) == (kind is Unauthorized)


def test_every_error_that_a_caller_can_cause_or_await_is_in_the_table() -> None:
    unmapped = {kind.__name__ for kind in leaves(ClickstreamError) if kind not in STATUS}
    never_over_http = {
        *("EngineError", "SchemaIncompatible", "MigrationError", "OffsetGap", "TablesTooLarge")
    }
    assert unmapped == {"Disconnected", "RecordRejected", *never_over_http}


def test_an_error_below_a_known_one_means_the_same() -> None:
    class Fenced(BrokerUnavailable):
        """More particular than the table knows."""

    assert problem_of(Fenced("why")).status == 503


def test_every_wrong_place_is_in_the_document() -> None:
    errors = [FieldError("$.a", "is empty"), FieldError("$.b[3]", "is missing")]
    document = json.loads(problem_of(InvalidRequest(errors)).body)
    assert document["errors"] == [
        {"path": "$.a", "message": "is empty"},
        {"path": "$.b[3]", "message": "is missing"},
    ]
    assert document["detail"] == "$.a: is empty (and 1 more)"


def test_a_message_that_utf_8_cannot_hold_is_answered_all_the_same() -> None:
    document = json.loads(problem_of(SessionNotFound("no session '\ud800'")).body)
    assert document["detail"] == "no session '?'"


def test_routes_raise_and_callers_read_problems() -> None:
    answer = failing_with(BrokerUnavailable("later", retry_after=9)).get("/thing")
    assert answer.status_code == 503
    assert 9 <= int(answer.headers["retry-after"]) <= 18
    assert answer.json()["detail"] == "later"


@pytest.mark.parametrize("error", [RuntimeError("password=hunter2"), SetupError("hunter2")])
def test_an_unexpected_error_is_logged_and_its_details_are_kept(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = failing_with(error).get("/thing")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_an_error_in_the_middle_of_an_answer_breaks_it_off() -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"half of it"
        raise BrokerUnavailable("and no more")

    async def stream() -> Response:
        return StreamingResponse(half())

    component = FakeComponent()
    component.handler = stream
    with pytest.raises(RuntimeError, match="response already started"):
        LocalClient(build_app(Settings(_env_file=None), [component])).get("/thing")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/thing", 405)]
)
def test_what_is_not_there_is_a_problem_too(method: str, path: str, status: int) -> None:
    answer = LocalClient(build_app(Settings(_env_file=None), [FakeComponent()])).request(
        method, path
    )
    document = answer.json()
    assert (answer.status_code, document["status"]) == (status, status)
    assert document["type"] == "about:blank"
    assert path in document["detail"]
    assert ("allow" in answer.headers) == (status == 405)


def test_a_route_s_own_refusal_keeps_its_words() -> None:
    answer = failing_with(HTTPException(418, "short and stout")).get("/thing")
    assert answer.status_code == 418
    assert answer.json()["detail"] == "short and stout"
    assert failing_with(HTTPException(499)).get("/thing").status_code == 499


def test_a_wrong_query_parameter_is_named() -> None:
    client = LocalClient(build_app(Settings(_env_file=None), [FakeComponent()]))
    answer = client.get("/thing", params={"number": "many"})
    problem: dict[str, Any] = answer.json()
    assert answer.status_code == 422
    assert [error["path"] for error in problem["errors"]] == ["query.number"]


def test_only_errors_of_the_table_are_for_callers() -> None:
    assert is_expected(BrokerUnavailable("x"))
    assert not is_expected(SetupError("x"))
    assert not is_expected(ValueError("x"))


def test_what_an_outage_is_goes_to_the_log_with_the_request_and_not_to_the_caller(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem, "_throttle", Throttle())  # the process has one
    error = SinkUnavailable("ClickHouse at ch-7.internal: down", public="ClickHouse is down")
    with caplog.at_level(logging.WARNING):
        answer = failing_with(error).get("/thing", headers={"X-Request-ID": "r-77"})
    assert answer.json()["detail"] == "ClickHouse is down"
    assert answer.json()["instance"] == "urn:clickstream:request:r-77"
    assert "internal" not in answer.text
    assert "sink-unavailable: ClickHouse at ch-7.internal: down" in caplog.text
    assert "r-77" in caplog.text


def test_those_who_met_one_outage_come_back_at_different_times() -> None:
    waits = {
        dict(problem_of(BrokerUnavailable("no", 5)).headers)[b"retry-after"] for _ in range(99)
    }
    assert len(waits) > 1
    assert all(5 <= int(wait) <= 10 for wait in waits)


def test_a_full_house_of_exports_is_not_called_an_outage_of_clickhouse() -> None:
    document = json.loads(problem_of(TooManyExports("too many exports", 30)).body)
    assert document["type"] == "urn:clickstream:problem:too-many-exports"
    assert "ClickHouse" not in document["title"]
