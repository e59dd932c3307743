"""`EventFinder`: what became of an event, wherever it is stored, in a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final, TypeVar

from api.events.queries import DeadLetterRow, JoinedRow, WaitingRow
from api.events.reader import EventId, EventReader, Joined
from api.events.responses import (
    EventContent,
    EventLookup,
    EventMatches,
    JoinedTo,
    RefusedAs,
    State,
    WaitingFor,
)
from api.events.similar_ids import similar_ids
from api.read_your_writes import ConsistentReads
from schemas.dead_letters import name_of

Row = TypeVar("Row")

MOST_MATCHES: Final = 20
"""Of each state. An event id is unique within its session only: "1" may be that of millions."""

_JOINED: Final = "it is stored with its session"
_IRRELEVANT: Final = (
    "it is stored with its session, which is marked irrelevant: it counts in no number"
)
_NEVER_SEEN: Final = (
    "nothing came under these two ids, or it was deleted since: erased, or older than what is kept."
    " Was it sent with another session_id? Look it up by its event_id alone"
)
_WILL_BE_JOINED: Final = (
    "its session is stored, and a worker's look-up missed it: the clean-up of the workers joins it,"
    " within ten minutes"
)
_REFUSED: Final = "it could not be processed: docs/dead-letters.md says what to do for each reason"


class EventFinder:
    """Looks for an event everywhere where it may be."""

    def __init__(self, events: EventReader, reads: ConsistentReads) -> None:
        self._events = events
        self._reads = reads

    async def find(self, id_: EventId) -> EventLookup:
        """What became of it. Raises Unavailable when that is not certain.

        A joined event stays joined, so it is looked for first, without a wait. Events move from the
        waiting ones to the joined ones: looked for in this order, an event is met in one of them.
        """
        if joined := await self._joined([id_]):
            return joined[0]
        await self._reads.wait_for_events(id_.session_id)
        waiting, refused = await asyncio.gather(
            self._events.waiting([id_]), self._events.dead_letter(id_)
        )
        if joined := await self._joined([id_]):
            return joined[0]
        if waiting:
            return (await self._waiting(waiting))[0]
        if refused is not None:
            return _refused(id_, refused)
        return _state(id_, "never_seen", _NEVER_SEEN)

    async def find_named(self, event_id: str, since_ms: int) -> EventMatches:
        """What became of every event of this id. Joined ones are looked for in searches that were
        made since then, dead letters among those that were refused since.

        Raises Unavailable when what was acknowledged before this call is not stored in time.
        """
        await self._reads.wait_for_events(None)
        # Of an event that was posted twice there may be two rows.
        most = 2 * (MOST_MATCHES + 1)
        waiting, refused = await asyncio.gather(
            self._events.waiting_named(event_id, most),
            self._events.dead_letters_named(event_id, since_ms, most),
        )
        joined = await self._events.joined_named(event_id, since_ms, most)
        waits = {name: row for name, row in waiting.items() if name not in joined}
        letters: dict[EventId, DeadLetterRow] = {}
        for row in refused:
            name = EventId(row.session_id, event_id)
            if name not in joined and name not in waits:
                letters.setdefault(name, row)
        matches = [
            *await self._waiting(_first(waits)),
            *(_refused(name, row) for name, row in _first(letters).items()),
            *await self._told_joined(_first(joined)),
        ]
        has_more = any(len(each) > MOST_MATCHES for each in (waits, letters, joined))
        return EventMatches(event_id, since_ms, _meaning_of(matches), matches, has_more)

    async def _joined(self, ids: Iterable[EventId]) -> list[EventLookup]:
        return await self._told_joined(await self._events.joined(ids))

    async def _told_joined(self, found: Mapping[EventId, Joined]) -> list[EventLookup]:
        if not found:
            return []
        irrelevant = await self._events.irrelevant(name.session_id for name in found)
        return [_joined(name, one, name.session_id in irrelevant) for name, one in found.items()]

    async def _waiting(self, rows: Mapping[EventId, WaitingRow]) -> list[EventLookup]:
        if not rows:
            return []
        ids = {name.session_id for name in rows}
        meant = {id_: similar_ids(id_) for id_ in ids}
        counts, searches = await asyncio.gather(
            self._events.count_waiting(ids),
            self._events.searches([*ids, *(form for forms in meant.values() for form in forms)]),
        )
        found = []
        for name, row in rows.items():
            is_stored = name.session_id in searches
            similar = [form for form in meant[name.session_id] if form in searches]
            details = WaitingFor(
                since=row.received_at_ms,
                # Some may have been joined since the row was read.
                events_waiting=max(1, counts.get(name.session_id, 0)),
                session_is_stored=is_stored,
                similar_session_id=similar[0] if similar and not is_stored else None,
            )
            meaning = why_it_waits(name.session_id, details.similar_session_id, is_stored=is_stored)
            found.append(_state(name, "waiting", meaning, event=_content(row), waiting=details))
        return found


def why_it_waits(session_id: str, similar: str | None = None, *, is_stored: bool) -> str:
    """In a sentence. `similar`: the id of a stored session that may have been meant."""
    if is_stored:
        return _WILL_BE_JOINED
    why = f'no search with session_id "{session_id}" has been posted; the event waits until one is'
    if similar is None:
        return why
    return f'{why}. One with session_id "{similar}" has been: was that meant?'


def _first(found: Mapping[EventId, Row]) -> dict[EventId, Row]:
    return dict(islice(found.items(), MOST_MATCHES))


def _meaning_of(matches: list[EventLookup]) -> str:
    if matches:
        return "an event id is unique within its session: each match is an event of its own"
    return (
        "no event of this id waits, was refused, or is stored with a search of this time: it was"
        " not sent, or its sender got an error; or it belongs to an older search (`days`), or was"
        " erased"
    )


def _state(
    id_: EventId,
    state: State,
    meaning: str,
    *,
    event: EventContent | None = None,
    joined: JoinedTo | None = None,
    waiting: WaitingFor | None = None,
    dead_letter: RefusedAs | None = None,
) -> EventLookup:
    return EventLookup(*id_, state, meaning, event, joined, waiting, dead_letter)


def _joined(id_: EventId, found: Joined, is_irrelevant: bool) -> EventLookup:
    event, search = found
    details = JoinedTo(
        position=event.position or None,
        results=search.results,
        search_query=search.search_query,
        session_created_at=search.created_at_ms,
        session_is_irrelevant=is_irrelevant,
    )
    meaning = _IRRELEVANT if is_irrelevant else _JOINED
    return _state(id_, "joined", meaning, event=_content(event), joined=details)


def _content(row: JoinedRow | WaitingRow) -> EventContent:
    return EventContent(row.object_id, row.event_type, row.created_at_ms, row.received_at_ms)


def _refused(id_: EventId, row: DeadLetterRow) -> EventLookup:
    details = RefusedAs(
        name=name_of(row.topic, row.first_partition, row.first_offset, row.first_epoch),
        partition=row.first_partition,
        offset=row.first_offset,
        attempt=row.attempt,
        reason=row.reason,
        error=row.error,
        failed_at=row.failed_at_ms,
    )
    return _state(id_, "dead_letter", _REFUSED, dead_letter=details)
