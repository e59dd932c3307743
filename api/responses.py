"""The JSON bodies of the read side's responses, with the descriptions that OpenAPI shows."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

Count = Annotated[int, Meta(ge=0)]
Rate = Annotated[float | None, Meta(description="null when the divisor is 0")]
Json = Annotated[
    msgspec.Raw, Meta(description="The JSON value as it was sent; null when it was not sent")
]
Milliseconds = Annotated[int, Meta(description="Milliseconds since the epoch")]


class SearchResult(msgspec.Struct, frozen=True):
    """One result of the list that was shown."""

    object_id: str
    rank: Annotated[
        float | None, Meta(description="The caller's own rank or score; null when it was not sent")
    ]
    meta: Json


class SessionEvent(msgspec.Struct, frozen=True):
    """One interaction with a result."""

    event_id: str
    object_id: str
    event_type: str
    created_at: Milliseconds
    position: Annotated[
        int | None,
        Meta(description="1-based place in search_results; null when the object was not listed"),
    ]
    meta: Json


class Session(msgspec.Struct, frozen=True):
    """One search, the list that was shown, and the interactions with it.

    Optional fields that were not sent are null. Events are sorted by created_at, then by arrival.
    """

    session_id: str
    search_query: str
    search_results: list[SearchResult]
    search_meta: Json
    payload_filter: Json
    sort_by: Json
    user_id: str | None
    created_at: Milliseconds
    is_irrelevant: Annotated[bool, Meta(description="Excluded from analytics and training data")]
    events: Annotated[
        list[SessionEvent] | UnsetType, Meta(description="Absent when with_events=false")
    ] = UNSET


class Range(msgspec.Struct, frozen=True):
    """The selected sessions: created_at at or after `from_ms`, and before `to_ms`."""

    from_ms: Annotated[int | None, Meta(description="Milliseconds since the epoch; null: no bound")]
    to_ms: Annotated[int | None, Meta(description="Milliseconds since the epoch; null: no bound")]
    relevance: str
    event_type: Annotated[str, Meta(description="The type that counts as a click")]
