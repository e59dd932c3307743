"""The three POST endpoints as FastAPI knows them: what `/docs` and `/openapi.json` show.

POSTs with a Content-Length to two of them are answered in `core.http.protocol` and never get here.
Both ways call the same `Endpoints`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core.consistency.position import POSITION_HEADER
from core.errors import Disconnected
from core.http.headers import by_name
from core.http.openapi import request_body, response_docs
from core.http.paths import EVENTS_PATH, MARK_PATH, SESSION_PATH
from core.http.raw_response import RawResponse
from core.http.scope_keys import CALLER
from core.settings import Limits
from producers.body import read_body
from producers.endpoints import Endpoints
from producers.ingest import Accepted
from producers.json_bodies import EventsBody, MarkBody, SessionBody
from producers.mark import Marked

_SESSION_EXAMPLE: Final = {
    "session_id": "sess-123",
    "search_query": "transformer optimization",
    "search_results": [
        {"object_id": "obj-1", "rank": 1, "meta": {"source": "hf_models", "score": 0.92}}
    ],
    "search_meta": {"latency_ms": 450},
    "payload_filter": {"task": "text-classification"},
    "sort_by": {"field": "downloads", "order": "desc"},
    "user_id": "user-456",
    "created_at": 1701012345678,
}
_EVENTS_EXAMPLE: Final = {
    "session_id": "sess-123",
    "events": [
        {
            "event_id": "evt-1",
            "object_id": "obj-1",
            "event_type": "click",
            "created_at": 1701012350000,
            "meta": {"rank_position": 1},
        }
    ],
}
_MARK_EXAMPLE: Final = {"session_id": "sess-123"}
_ACCEPTED_EXAMPLE: Final = {"session_id": "sess-123", "accepted": 1}
_MARKED_EXAMPLE: Final = {"session_id": "sess-123", "is_irrelevant": True}

_HEADERS: Final[dict[str, Any]] = {
    POSITION_HEADER: {
        "description": "How far into Kafka the write went: send it back with a read, which then"
        " waits until it can see it. Only for keys that may read or write everything",
        "schema": {"type": "string", "examples": ["clickstream.sessions/3@1041"]},
    }
}

# 499 as nginx logs it: the client has hung up, so nobody sees this answer but the metrics.
_HUNG_UP: Final = 499

Handler = Callable[[Mapping[bytes, bytes], bytes], Awaitable[RawResponse]]


def write_router(endpoints: Endpoints, limits: Limits) -> APIRouter:
    """The write side's routes."""
    router = APIRouter(tags=["write"])

    async def respond(handle: Handler, request: Request) -> Response:
        headers = by_name(request.scope["headers"])
        try:
            body = await read_body(headers, request.receive, limits)
        except Disconnected:
            return Response(status_code=_HUNG_UP)
        return (await handle(headers, body)).response()

    @router.post(
        SESSION_PATH,
        summary="Record a search and the list that was shown",
        openapi_extra=request_body(SessionBody, _SESSION_EXAMPLE, is_open=True),
        responses=response_docs(Accepted, _ACCEPTED_EXAMPLE, _HEADERS),
    )
    async def create_session(request: Request) -> Response:
        """200 means that the session is durable in Kafka. The first POST of a session_id wins;
        posting it again changes nothing and answers 200. Bodies may come in
        `Content-Encoding: gzip` or `zstd`, and as `text/plain`, from a browser's beacon."""
        return await respond(endpoints.post_session, request)

    @router.post(
        EVENTS_PATH,
        summary="Record clicks and other events of a session",
        openapi_extra=request_body(EventsBody, _EVENTS_EXAMPLE, is_open=True),
        responses=response_docs(Accepted, _ACCEPTED_EXAMPLE, _HEADERS),
    )
    async def push_events(request: Request) -> Response:
        """Events may come before their session, or days after it. A request is accepted as a whole
        or refused as a whole. Bodies may come in `Content-Encoding: gzip` or `zstd`, and as
        `text/plain`, from a browser's beacon."""
        return await respond(endpoints.post_events, request)

    @router.post(
        MARK_PATH,
        summary="Mark a session irrelevant, or take the mark back",
        openapi_extra=request_body(MarkBody, _MARK_EXAMPLE),
        responses=response_docs(Marked, _MARKED_EXAMPLE, _HEADERS),
    )
    async def mark_session_irrelevant(request: Request) -> Response:
        """From this answer on the session and its events, also those to come, are left out of
        analytics and training data. 404 means that there is certainly no such session."""
        caller = request.scope.get(CALLER)
        return await respond(partial(endpoints.post_mark, caller=caller), request)

    return router
