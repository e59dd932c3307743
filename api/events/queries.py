"""The queries on single events: each is a file in `api/sql`, and the type of its rows."""

from __future__ import annotations

from typing import Final

import msgspec

from api.queries import FULL_SCAN, SESSION, Query


class SearchRow(msgspec.Struct, frozen=True):
    """The search of an event. `results`: how many its list has."""

    session_id: str
    search_query: str
    results: int
    created_at_ms: int
    day: str
    version: int


class JoinedRow(msgspec.Struct, frozen=True):
    """A joined event. `position` is 0 when its session did not list the object."""

    session_id: str
    event_id: str
    object_id: str
    event_type: str
    position: int
    created_at_ms: int
    received_at_ms: int
    version: int


class WaitingRow(msgspec.Struct, frozen=True):
    """An event whose session was not stored."""

    session_id: str
    event_id: str
    object_id: str
    event_type: str
    created_at_ms: int
    received_at_ms: int
    version: int


class CountRow(msgspec.Struct, frozen=True):
    """How many events wait for a session."""

    session_id: str
    events: int


class DeadLetterRow(msgspec.Struct, frozen=True):
    """The last attempt of a refused record. The first four fields are its name."""

    topic: str
    first_partition: int
    first_offset: int
    first_epoch: int
    attempt: int
    reason: str
    error: str
    failed_at_ms: int


class NamedDeadLetterRow(DeadLetterRow, frozen=True, kw_only=True):
    """The same, with the session id that its bytes name."""

    session_id: str


# Single events are read as single sessions are.
_POINT_READ: Final = SESSION.settings

EVENT_SESSION: Final = Query("event_session", SearchRow, _POINT_READ)
EVENT_JOINED: Final = Query("event_joined", JoinedRow, _POINT_READ)
EVENT_WAITING: Final = Query("event_waiting", WaitingRow, _POINT_READ)
EVENTS_WAITING: Final = Query("events_waiting", CountRow, _POINT_READ)
EVENT_DEAD_LETTER: Final = Query("event_dead_letter", DeadLetterRow, _POINT_READ)
EVENT_NAMED: Final = Query("event_named", JoinedRow, FULL_SCAN)
EVENT_WAITING_NAMED: Final = Query("event_waiting_named", WaitingRow, FULL_SCAN)
EVENT_DEAD_LETTERS_NAMED: Final = Query("event_dead_letters_named", NamedDeadLetterRow, FULL_SCAN)
EVENTS_WAITING_LATEST: Final = Query("events_waiting_latest", WaitingRow, FULL_SCAN)
