"""Validated bodies → the records of `schemas/avro/`, one dict a record, with the time of receipt.

A `created_at` that was not sent becomes the time of receipt here, once, so that every replay of the
topic sees the same.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw

from core.json_text import compact
from producers.json_bodies import EventsBody, MarkBody, SessionBody

Record = dict[str, Any]
"""Field names and values of one Avro record; times are integers, milliseconds since the epoch."""

_DEFAULT_EVENT_TYPE: Final = "click"


def session_record(body: SessionBody, received_at: int) -> Record:
    """The record of a search."""
    return {
        "session_id": body.session_id,
        "search_query": body.search_query,
        "search_results": [
            {"object_id": result.object_id, "rank": result.rank, "meta": _text(result.meta)}
            for result in body.search_results
        ],
        "search_meta": _text(body.search_meta),
        "payload_filter": _text(body.payload_filter),
        "sort_by": _text(body.sort_by),
        "user_id": body.user_id,
        "created_at": received_at if body.created_at is None else body.created_at,
        "received_at": received_at,
    }


def event_records(body: EventsBody, received_at: int) -> list[Record]:
    """One record for each event, in the order sent."""
    return [
        {
            "session_id": body.session_id,
            "event_id": event.event_id,
            "object_id": event.object_id,
            "event_type": _DEFAULT_EVENT_TYPE if event.event_type is None else event.event_type,
            "created_at": received_at if event.created_at is None else event.created_at,
            "meta": _text(event.meta),
            "received_at": received_at,
        }
        for event in body.events
    ]


def mark_record(body: MarkBody, marked_by: str | None, received_at: int) -> Record:
    """The record of a mark; `marked_by` is the name of the key that asked."""
    return {
        "session_id": body.session_id,
        "is_irrelevant": body.irrelevant is not False and body.is_irrelevant is not False,
        "marked_by": marked_by,
        "received_at": received_at,
    }


def _text(meta: Raw) -> str | None:
    """The JSON text of an object, without white space; None when it was absent or null."""
    text = str(meta, "utf-8")
    return compact(text) if text[:1] == "{" else None
