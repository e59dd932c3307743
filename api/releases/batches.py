"""GET /batch/sessions: a release in pages of sessions, as clients of embedding_studio read a batch.

The shape is theirs (https://github.com/EulerSearch/embedding_studio, `clickstream_internal.py`):
numbers count from 1, a page has those after `after_number`, and `last_number` is null behind the
last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import APIRouter, Depends, Query, Response

from api.releases import examples
from api.releases.files import ROWS_PER_GROUP
from api.releases.manifest import Kind, ReleaseFile, check_name
from api.releases.service import ReleaseService, State
from api.responses import Json, Milliseconds, SearchResult
from core.errors import FileSuperseded, ReleaseRetired
from core.http.openapi import response_docs
from core.http.query_parameters import known_parameters_only

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

MOST_SESSIONS: Final = 1_000
MOST_EVENTS: Final = 10_000
PATHS: Final = ("/batch/sessions", "/internal/batch/sessions")
"""The second is theirs, below /api/v1/clickstream."""


class BatchEvent(msgspec.Struct, frozen=True):
    """An event. It has no position: their clients know none."""

    event_id: str
    object_id: str
    event_type: str
    created_at: Milliseconds
    meta: Json


class BatchSession(msgspec.Struct, frozen=True):
    """A session with its number in the release."""

    session_id: str
    search_query: str
    search_results: list[SearchResult]
    search_meta: Json
    payload_filter: Json
    sort_by: Json
    user_id: str | None
    created_at: Milliseconds
    is_irrelevant: bool
    events: list[BatchEvent]
    session_number: int


class Batch(msgspec.Struct, frozen=True):
    """A page of a release."""

    batch_id: str
    last_number: int | None
    sessions: list[BatchSession]


def batches_router(service: ReleaseService) -> APIRouter:
    """The route, at both of its paths."""
    router = APIRouter(tags=["releases"], dependencies=[Depends(known_parameters_only)])

    async def get_batch_sessions(
        batch_id: Annotated[str, Query(description="Name of a release")],
        after_number: Annotated[int, Query(ge=0, le=2**62)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_SESSIONS)] = 10,
        events_limit: Annotated[
            int, Query(ge=0, le=MOST_EVENTS, description="Most events of each session, the first")
        ] = 100,
    ) -> Response:
        """The sessions of a release after this number, in its order, without irrelevant ones.

        `last_number` is the `after_number` of the next page; null: there is none. Files that were
        superseded are passed over: their numbers are not there.
        """
        check_name("query.batch_id", batch_id)
        page = await asyncio.to_thread(
            read_page, service, batch_id, after_number, limit, events_limit
        )
        return Response(msgspec.json.encode(page), media_type="application/json")

    documented = response_docs(Batch, examples.BATCH)
    shown, theirs = PATHS
    router.get(shown, summary="A page of a release", responses=documented)(get_batch_sessions)
    router.get(theirs, include_in_schema=False)(get_batch_sessions)
    return router


def read_page(
    service: ReleaseService, name: str, after_number: int, limit: int, events_limit: int
) -> Batch:
    """Blocks. Raises ReleaseNotFound, ReleaseRetired, SinkUnavailable, StorageUnavailable."""
    release = service.release(name)
    if release.state is State.RETIRED:
        raise ReleaseRetired(f"the release {name} is retired: its files are deleted")
    sessions: list[BatchSession] = []
    for file in release.manifest.files:
        if len(sessions) == limit:
            break
        end = file.first_number + file.sessions
        if file.kind is not Kind.SESSIONS or end <= after_number + 1:
            continue
        try:
            service.file(name, file.name)
            left = limit - len(sessions)
            for table in _tables(service, name, file, after_number):
                rows = table.slice(0, left).to_pylist()
                sessions += [_session(row, events_limit) for row in rows]
                left -= len(rows)
                if not left:
                    break
        except (FileSuperseded, FileNotFoundError):
            continue
    last = sessions[-1].session_number if sessions else None
    return Batch(name, last, sessions)


def _tables(
    service: ReleaseService, name: str, file: ReleaseFile, after_number: int
) -> Iterator[pa.Table]:
    """The sessions of a file after this number, a row group at a time."""
    skipped = max(0, after_number - file.first_number + 1)
    with service.storage.open(f"{name}/{file.name}") as source:
        parquet = pq.ParquetFile(source)
        for group in range(skipped // ROWS_PER_GROUP, parquet.num_row_groups):
            table = parquet.read_row_group(group)
            yield table.slice(max(0, skipped - group * ROWS_PER_GROUP))


def _session(row: dict[str, Any], events_limit: int) -> BatchSession:
    return BatchSession(
        session_id=row["session_id"],
        search_query=row["search_query"],
        search_results=[
            SearchResult(each["object_id"], each["rank"], _json(each["meta"]))
            for each in row["search_results"]
        ],
        search_meta=_json(row["search_meta"]),
        payload_filter=_json(row["payload_filter"]),
        sort_by=_json(row["sort_by"]),
        user_id=row["user_id"],
        created_at=_millis(row["created_at"]),
        is_irrelevant=False,
        events=[
            BatchEvent(
                each["event_id"],
                each["object_id"],
                each["event_type"],
                _millis(each["created_at"]),
                _json(each["meta"]),
            )
            for each in row["events"][:events_limit]
        ],
        session_number=row["session_number"],
    )


def _json(text: str | None) -> msgspec.Raw:
    return msgspec.Raw(b"null" if text is None else text.encode())


def _millis(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
