"""The JSON body of GET /events/lookup, with the descriptions that OpenAPI shows."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.responses import Milliseconds

State = Literal["joined", "waiting", "dead_letter", "never_seen"]


class EventContent(msgspec.Struct, frozen=True):
    """What was posted, without its meta."""

    object_id: str
    event_type: str
    created_at: Milliseconds
    received_at: Annotated[int, Meta(description="When the edge took it, milliseconds")]


class JoinedTo(msgspec.Struct, frozen=True):
    """The search that the event belongs to."""

    position: Annotated[
        int | None,
        Meta(description="1-based place in search_results; null when the object was not listed"),
    ]
    results: Annotated[int, Meta(description="How many results the list has", ge=0)]
    search_query: str
    session_created_at: Milliseconds


class WaitingFor(msgspec.Struct, frozen=True):
    """Why the event waits."""

    since: Annotated[int, Meta(description="When the edge took it, milliseconds")]
    events_waiting: Annotated[int, Meta(description="Events that wait for this session id", ge=1)]
    session_is_stored: Annotated[
        bool, Meta(description="The session is there, and the workers' clean-up will join them")
    ]


class RefusedAs(msgspec.Struct, frozen=True):
    """The dead letter. Its name, partition and offset are null for keys that are told none."""

    name: Annotated[str | None, Meta(description="As `clickstream dlq show` takes it")]
    partition: int | None
    offset: int | None
    attempt: Annotated[int, Meta(description="1; more when it was republished", ge=1)]
    reason: Annotated[str, Meta(description="One word; docs/dead-letters.md lists them")]
    error: str
    failed_at: Milliseconds


class EventLookup(msgspec.Struct, frozen=True):
    """What became of one event. `meaning` says it in a sentence; the object of its state has the
    details, the others are null."""

    session_id: str
    event_id: str
    state: State
    meaning: str
    event: Annotated[
        EventContent | None, Meta(description="null for a dead letter, which may not be readable")
    ]
    joined: JoinedTo | None
    waiting: WaitingFor | None
    dead_letter: RefusedAs | None
