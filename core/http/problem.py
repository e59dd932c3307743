"""Errors as RFC 9457 problem documents.

    {"type": "urn:clickstream:problem:invalid-request", "title": "The request breaks the contract",
     "status": 422, "detail": "…", "instance": "urn:clickstream:request:…",
     "errors": [{"path": "$.events[3].event_id", "message": "…"}]}

What an error means (status, slug, title) is said once, in `core.errors.STATUS`. This module
only writes it down, both for FastAPI and for requests that never get there.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from core.errors import (
    STATUS,
    ClickstreamError,
    FieldError,
    HttpMeaning,
    InvalidRequest,
    MalformedBody,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)
from core.http.raw_response import RawResponse
from core.http.scope_keys import REQUEST_ID
from core.log_throttle import Throttle
from core.nearest_name import nearest_name
from core.telemetry import HTTP_PROBLEMS

MEDIA_TYPE = "application/problem+json"

_UNEXPECTED = HttpMeaning(500, "internal-error", "Something went wrong here")
_UNEXPECTED_DETAIL = "The fault is ours and has been logged; the outcome is unknown"

_INSTANCE = "urn:clickstream:request:"
# An outage makes thousands of the same; the metrics count them all.
_throttle = Throttle(seconds=1.0)

# The words that a message of pydantic says are allowed.
_QUOTED = re.compile(r"'([^']*)'")

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_log = logging.getLogger(__name__)


class InvalidField(msgspec.Struct, frozen=True):
    """One field of the request that is wrong."""

    path: str
    message: str


class Problem(msgspec.Struct, frozen=True):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: tuple[InvalidField, ...] = ()


def problem_of(error: BaseException, request_id: bytes | None = None) -> RawResponse:
    """The response to any error; one that is not meant for callers is a 500 without details.

    Logs what callers are not told, with the id of the request: of each kind one a second."""
    meaning = _meaning_of(error)
    instance = None if request_id is None else _INSTANCE + request_id.decode("latin-1")
    if meaning is None:
        return _problem_response(
            _typed(_UNEXPECTED, _UNEXPECTED_DETAIL, instance), _UNEXPECTED.slug
        )
    headers: dict[str, str] = {}
    if isinstance(error, Unavailable):
        if _throttle.allows(meaning.slug):
            name = (instance or "").removeprefix(_INSTANCE)
            _log.warning("%s: %s (%s)", meaning.slug, error, instance, extra={"request_id": name})
        headers["retry-after"] = str(_spread(error.retry_after))
    if isinstance(error, TooManyRequests):
        headers.update(error.headers)
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, UnsupportedMedia):
        headers.update(error.headers)
    if isinstance(error, Unauthorized):
        headers["www-authenticate"] = "Bearer"
    errors = error.errors if isinstance(error, InvalidRequest) else ()
    problem = _typed(meaning, _detail(error), instance, errors)
    return _problem_response(problem, meaning.slug, headers)


def begin_at_zero() -> None:
    """Make the series of every kind of problem before the first one."""
    for meaning in (*STATUS.values(), _UNEXPECTED):
        HTTP_PROBLEMS.labels(meaning.slug)


def is_expected(error: BaseException) -> bool:
    """Whether callers are told what it is; all else is a fault of ours, to be logged."""
    return _meaning_of(error) is not None


def install(app: FastAPI) -> None:
    """Make every error that FastAPI meets a problem document."""
    app.add_exception_handler(ClickstreamError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_error)


def _spread(seconds: int) -> int:
    """Up to twice as long: those whom one outage has met must not come back together."""
    return seconds + secrets.randbelow(seconds + 1)


async def _on_error(request: Request, error: Exception) -> Response:
    # An unexpected one is logged by `MetricsAndErrors`, to which Starlette raises it again.
    if isinstance(error, ClickstreamError) and not is_expected(error):
        _log.error("an error that callers should never meet", exc_info=error)
    return problem_of(error, request.scope.get(REQUEST_ID)).response()


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (registered for this type)
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        error = MalformedBody("the body is not valid JSON")
        return problem_of(error, request.scope.get(REQUEST_ID)).response()
    errors = [FieldError(_path(each["loc"]), _message(each)) for each in found]
    return problem_of(InvalidRequest(errors), request.scope.get(REQUEST_ID)).response()


def _message(error: Mapping[str, Any]) -> str:
    """What pydantic says, and of a word that is not allowed which one was meant."""
    message = str(error["msg"])
    if error["type"] in ("enum", "literal_error"):
        allowed = _QUOTED.findall(str(error["ctx"]["expected"]))
        nearest = nearest_name(str(error["input"]), allowed)
        if nearest is not None:
            return f"{message}: did you mean {nearest}?"
    return message


async def _on_http(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such route, no such method, and what routes raise by hand."""
    assert isinstance(error, HTTPException)  # noqa: S101  (registered for this type)
    title = _phrase(error.status_code)
    detail = str(error.detail)
    if detail == title:
        detail = f"{request.method} {request.url.path}: {title}; /docs lists what there is"
    # about:blank says that the status code is all there is to know (RFC 9457, 4.2.1).
    request_id = request.scope.get(REQUEST_ID)
    instance = None if request_id is None else _INSTANCE + request_id.decode("latin-1")
    problem = Problem("about:blank", title, error.status_code, detail, instance)
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = ", ".join(_methods(request))  # Starlette stops at one route
    return _problem_response(problem, f"http-{error.status_code}", headers).response()


def _methods(request: Request) -> list[str]:
    """The methods that have a route on this path."""
    app: FastAPI = request.app

    def has(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in app.routes)

    found = [method for method in _METHODS if has(method)]
    return ["GET", "HEAD", *found[1:]] if "GET" in found else found


def _meaning_of(error: BaseException) -> HttpMeaning | None:
    for kind in type(error).__mro__:
        if issubclass(kind, ClickstreamError) and kind in STATUS:
            return STATUS[kind]
    return None


def _detail(error: BaseException) -> str:
    if isinstance(error, InvalidRequest):
        first = error.errors[0]
        more = len(error.errors) - 1
        return f"{first.path}: {first.message}" + (f" (and {more} more)" if more else "")
    return error.public if isinstance(error, Unavailable) else str(error)


def _typed(
    meaning: HttpMeaning, detail: str, instance: str | None, errors: Iterable[FieldError] = ()
) -> Problem:
    return Problem(
        f"urn:clickstream:problem:{meaning.slug}",
        meaning.title,
        meaning.status,
        _sayable(detail),
        instance,
        tuple(InvalidField(_sayable(error.path), _sayable(error.message)) for error in errors),
    )


def _problem_response(
    problem: Problem, label: str, headers: Mapping[str, str] | None = None
) -> RawResponse:
    HTTP_PROBLEMS.labels(label).inc()
    body = msgspec.json.encode(problem)
    return RawResponse.of(problem.status, body, MEDIA_TYPE, headers or {})


def _sayable(text: str) -> str:
    """Messages quote what callers sent: half a surrogate pair in it cannot be written as UTF-8."""
    return text.encode("utf-8", "replace").decode()


def _path(location: Iterable[int | str]) -> str:
    """`("body", "events", 3)` → `$.events[3]`; `("query", "session_id")` → `query.session_id`."""
    source, *rest = location
    start = "$" if source == "body" else str(source)
    return start + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
