"""What a tail shows: records of Kafka and what became of them, and which of them are wanted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from core.errors import FieldError, InvalidRequest
from core.ids import check_id
from core.nearest_name import hint


class TailState(StrEnum):
    """What is said of a record."""

    ACCEPTED = "accepted"
    """It is in Kafka."""
    JOINED = "joined"
    """The event is stored with its session."""
    WAITING = "waiting"
    """The event is stored, and its session has not come."""
    REFUSED = "refused"
    """It could not be processed: it is a dead letter."""


class TailRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the tail. Fields that do not apply are absent.

    A line with the state `skipped` counts, in `records`, what was not shown since the last one.
    """

    state: Literal["accepted", "joined", "waiting", "refused", "skipped"]
    at: Annotated[int, Meta(description="When Kafka, or this process, noted it; milliseconds")]
    kind: Literal["session", "event", "mark"] | None = None
    session_id: str | None = None
    event_id: str | None = None
    object_id: str | None = None
    event_type: str | None = None
    position: Annotated[
        int | None, Meta(description="Of a joined event; absent when the object was not listed")
    ] = None
    user_id: str | None = None
    search_query: str | None = None
    results: Annotated[int | None, Meta(description="How many the list of a session has")] = None
    is_irrelevant: bool | None = None
    reason: Annotated[str | None, Meta(description="Of a refused record; one word")] = None
    error: str | None = None
    records: int | None = None


# A user's sessions are remembered, so that the events in them are known as that user's.
_MOST_SESSIONS: Final = 10_000

MOST_PER_SECOND: Final = 200
USUAL_PER_SECOND: Final = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are shown: those that match every given field."""

    states: frozenset[TailState] = frozenset(TailState)
    session_id: str | None = None
    user_ids: Collection[str] = ()
    """The forms in which the user's id may be stored."""
    event_types: frozenset[str] = frozenset()
    """Events of any of these; empty: everything, sessions and marks too."""
    per_second: int = USUAL_PER_SECOND
    _sessions: OrderedDict[str | None, None] = field(default_factory=OrderedDict)

    def matches(self, record: TailRecord) -> bool:
        """Whether it is wanted, whatever became of it. Of a user, it knows the sessions that came
        since it was made: events do not name their user."""
        if self.session_id is not None and record.session_id != self.session_id:
            return False
        if self.event_types and record.event_type not in self.event_types:
            return False
        return not self.user_ids or self._is_users(record)

    @property
    def outcomes(self) -> bool:
        """Whether it matters what becomes of an event."""
        return not self.states.isdisjoint({TailState.JOINED, TailState.WAITING})

    def _is_users(self, record: TailRecord) -> bool:
        if record.user_id in self.user_ids:
            self._sessions[record.session_id] = None
            if len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
            return True
        return record.session_id in self._sessions


def parse_wanted(
    states: Iterable[str],
    session_id: str | None,
    user_ids: Collection[str],
    event_types: str | None,
    per_second: int,
    place: Callable[[str], str] = "query.{}".format,
) -> Wanted:
    """What these words ask for; no states are all of them, and types are separated by commas.
    Raises InvalidRequest; `place` makes the path of an error from the name of a field."""
    types = [] if event_types is None else [each.strip() for each in event_types.split(",")]
    ids = [*(("user_id", user_id) for user_id in user_ids), *(("event_type", e) for e in types)]
    if session_id is not None:
        ids.append(("session_id", session_id))
    for name, id_ in ids:
        check_id(place(name), id_)
    if not 1 <= per_second <= MOST_PER_SECOND:
        raise InvalidRequest([FieldError(place("per_second"), f"is 1 to {MOST_PER_SECOND}")])
    words = frozenset(word.strip() for word in states)
    if wrong := words - frozenset(TailState):
        why = f"{min(wrong)!r} is not known: {hint(min(wrong), TailState)}"
        raise InvalidRequest([FieldError(place("state"), why)])
    chosen = frozenset(TailState(word) for word in words) or frozenset(TailState)
    return Wanted(chosen, session_id, user_ids, frozenset(types), per_second)
