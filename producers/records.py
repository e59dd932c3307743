"""Requests → the records of `schemas/avro/`, one dict a record, with the time of receipt.

A `created_at` that was not sent becomes the time of receipt here, once, so that every replay of the
topic sees the same.
"""

from __future__ import annotations

from typing import Any

from producers.validation import EventsRequest, MarkRequest, SessionRequest

Record = dict[str, Any]
"""Field names and values of one Avro record; times are integers, milliseconds since the epoch."""


def session_record(request: SessionRequest, received_at: int) -> Record:
    """The record of a search."""
    return {
        "session_id": request.session_id,
        "search_query": request.search_query,
        "search_results": [
            {"object_id": result.object_id, "rank": result.rank, "meta": result.meta}
            for result in request.search_results
        ],
        "search_meta": request.search_meta,
        "payload_filter": request.payload_filter,
        "sort_by": request.sort_by,
        "user_id": request.user_id,
        "created_at": received_at if request.created_at is None else request.created_at,
        "received_at": received_at,
    }


def event_records(request: EventsRequest, received_at: int) -> list[Record]:
    """One record for each event, in the order sent."""
    return [
        {
            "session_id": request.session_id,
            "event_id": event.event_id,
            "object_id": event.object_id,
            "event_type": event.event_type,
            "created_at": received_at if event.created_at is None else event.created_at,
            "meta": event.meta,
            "received_at": received_at,
        }
        for event in request.events
    ]


def mark_record(request: MarkRequest, marked_by: str | None, received_at: int) -> Record:
    """The record of a mark; `marked_by` is the name of the key that asked."""
    return {
        "session_id": request.session_id,
        "is_irrelevant": request.is_irrelevant,
        "marked_by": marked_by,
        "received_at": received_at,
    }
