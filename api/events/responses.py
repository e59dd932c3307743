"""The JSON bodies of GET /events/lookup and /events/waiting, with the descriptions of OpenAPI."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.metrics.responses import Next
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
    session_is_irrelevant: Annotated[
        bool, Meta(description="The session is marked irrelevant: it counts in no number")
    ]


class WaitingFor(msgspec.Struct, frozen=True):
    """Why the event waits."""

    since: Annotated[int, Meta(description="When the edge took it, milliseconds")]
    events_waiting: Annotated[int, Meta(description="Events that wait for this session id", ge=1)]
    session_is_stored: Annotated[
        bool, Meta(description="The session is there, and the workers' clean-up will join them")
    ]
    similar_session_id: Annotated[
        str | None,
        Meta(
            description="A stored session whose id differs in case, in blanks or quotes around it,"
            " or in the hyphens of a UUID; null: none is known"
        ),
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


class EventMatches(msgspec.Struct, frozen=True):
    """What became of every event of one id, of whichever session. `meaning` says what the list is,
    or what it means that it is empty."""

    event_id: str
    searched_from: Annotated[
        int,
        Meta(
            description="Joined events of searches since then, and dead letters since then, are in"
            " the list; milliseconds"
        ),
    ]
    meaning: str
    matches: Annotated[
        list[EventLookup],
        Meta(
            description="Those that wait, then those that were refused, then the joined ones: of"
            " each at most 20, the latest first"
        ),
    ]
    has_more: Annotated[bool, Meta(description="There are more than the list has")]


class WaitingEvent(msgspec.Struct, frozen=True):
    """An event whose session has not come. `meaning` says in a sentence why it waits."""

    session_id: str
    event_id: str
    object_id: str
    event_type: str
    created_at: Milliseconds
    received_at: Annotated[int, Meta(description="When the edge took it, milliseconds")]
    session_is_stored: Annotated[
        bool, Meta(description="The session is there, and the workers' clean-up will join it")
    ]
    meaning: str


class WaitingEvents(msgspec.Struct, frozen=True):
    """Events that wait for their session, the latest first."""

    events: list[WaitingEvent]
    next: Next
