"""Stored rows → the session that clients see. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from api.queries import EventRow, SessionRow
from api.responses import SearchResult, Session, SessionEvent

_NULL = msgspec.Raw(b"null")


def assemble(
    session: SessionRow, events: Iterable[EventRow] | None, *, is_irrelevant: bool
) -> Session:
    """The session with its events, sorted by created_at, then arrival. None: no field `events`."""
    return Session(
        session_id=session.session_id,
        search_query=session.search_query,
        search_results=[
            SearchResult(object_id, rank, _raw(meta))
            for object_id, rank, meta in zip(
                session.object_ids, session.ranks, session.metas, strict=True
            )
        ],
        search_meta=_raw(session.search_meta),
        payload_filter=_raw(session.payload_filter),
        sort_by=_raw(session.sort_by),
        user_id=session.user_id,
        created_at=session.created_at_ms,
        is_irrelevant=is_irrelevant,
        events=msgspec.UNSET if events is None else [_event(row) for row in _in_order(events)],
    )


def _in_order(events: Iterable[EventRow]) -> list[EventRow]:
    # All events of a session are in one partition, so offsets are in the order of arrival.
    return sorted(events, key=lambda row: (row.created_at_ms, row.kafka_offset))


def _event(row: EventRow) -> SessionEvent:
    return SessionEvent(
        event_id=row.event_id,
        object_id=row.object_id,
        event_type=row.event_type,
        created_at=row.created_at_ms,
        position=row.position or None,
        meta=_raw(row.meta),
    )


def _raw(json_text: str | None) -> msgspec.Raw:
    return _NULL if json_text is None else msgspec.Raw(json_text.encode())
