"""`EventReader`: events by their ids, where they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from api.events.queries import (
    EVENT_DEAD_LETTER,
    EVENT_DEAD_LETTERS_NAMED,
    EVENT_JOINED,
    EVENT_NAMED,
    EVENT_SESSION,
    EVENT_WAITING,
    EVENT_WAITING_NAMED,
    EVENTS_WAITING,
    EVENTS_WAITING_LATEST,
    DeadLetterRow,
    JoinedRow,
    NamedDeadLetterRow,
    SearchRow,
    WaitingRow,
)
from api.queries import SESSION_MARKS, MarkRow
from api.store import Store
from schemas.event_ids import avro_beginning, avro_text


class EventId(NamedTuple):
    """The name of an event: an event id is unique within its session."""

    session_id: str
    event_id: str


class Joined(NamedTuple):
    """A joined event and its search."""

    event: JoinedRow
    search: SearchRow


class WaitingPlace(NamedTuple):
    """Of a waiting event among all of them, the latest first."""

    received_at_ms: int
    session_id: str
    event_id: str


_BEFORE_ALL = WaitingPlace(2**62, "", "")

_HOUR_MS = 3_600_000


class EventReader:
    """Every method raises SinkUnavailable when ClickHouse does not answer in time."""

    def __init__(
        self,
        store: Store,
        events_topic: str,
        seconds: float,
        scan_seconds: float | None = None,
    ) -> None:
        """`seconds` is the timeout of each query for known sessions, `scan_seconds` of each that
        reads many rows; None: the same."""
        self._store = store
        self._topic = events_topic
        self._seconds = seconds
        self._scan_seconds = seconds if scan_seconds is None else scan_seconds

    async def joined(self, ids: Iterable[EventId]) -> Mapping[EventId, Joined]:
        """Those of these events that are stored with their session.

        Sessions are read first: once one is visible, the events that came before it are, too.
        """
        wanted = frozenset(ids)
        searches = await self.searches(one.session_id for one in wanted)
        if not searches:
            return {}
        asked = [one for one in wanted if one.session_id in searches]
        rows = await self._store.rows(
            EVENT_JOINED,
            self._seconds,
            **_parameters(asked),
            session_days=sorted({search.day for search in searches.values()}),
        )
        return {
            name: Joined(row, searches[name.session_id])
            for name, row in _newest_by_name(rows).items()
            if name in wanted
        }

    async def waiting(self, ids: Iterable[EventId]) -> Mapping[EventId, WaitingRow]:
        """Those of these events that are stored without their session.

        An event moves from here to the joined ones: whoever asks for both asks here first.
        """
        wanted = frozenset(ids)
        rows = await self._store.rows(EVENT_WAITING, self._seconds, **_parameters(wanted))
        return {name: row for name, row in _newest_by_name(rows).items() if name in wanted}

    async def count_waiting(self, session_ids: Iterable[str]) -> Mapping[str, int]:
        """How many events wait for each of these sessions; those without any are left out."""
        ids = sorted(set(session_ids))
        rows = await self._store.rows(EVENTS_WAITING, self._seconds, session_ids=ids)
        return {row.session_id: row.events for row in rows}

    async def searches(self, session_ids: Iterable[str]) -> Mapping[str, SearchRow]:
        """Those of these sessions that are stored."""
        ids = sorted(set(session_ids))
        rows = await self._store.rows(EVENT_SESSION, self._seconds, session_ids=ids)
        return {row.session_id: row for row in sorted(rows, key=_version)}

    async def irrelevant(self, session_ids: Iterable[str]) -> frozenset[str]:
        """Those of these sessions that are marked irrelevant."""
        ids = sorted(set(session_ids))
        rows = await self._store.rows(SESSION_MARKS, self._seconds, session_ids=ids)
        newest = {row.session_id: row.is_irrelevant for row in sorted(rows, key=_version)}
        return frozenset(id_ for id_, is_irrelevant in newest.items() if is_irrelevant)

    async def dead_letter(self, id_: EventId) -> DeadLetterRow | None:
        """The last attempt of this event, if it was refused."""
        rows = await self._store.rows(
            EVENT_DEAD_LETTER,
            self._seconds,
            topic=self._topic,
            session_ids=[id_.session_id],
            ids_hex=avro_beginning(*id_).hex(),
        )
        return rows[0] if rows else None

    async def joined_named(
        self, event_id: str, since_ms: int, most: int
    ) -> Mapping[EventId, Joined]:
        """Events of this id in searches that were made since then, the latest searches first.
        `most` rows are read: an event that was posted twice may have two."""
        rows = await self._store.rows(
            EVENT_NAMED,
            self._scan_seconds,
            event_id=event_id,
            from_hour=since_ms // _HOUR_MS,
            rows=most,
        )
        if not rows:
            return {}
        found = _newest_by_name(rows)
        searches = await self.searches(one.session_id for one in found)
        in_order = dict.fromkeys(EventId(row.session_id, row.event_id) for row in rows)
        return {
            name: Joined(found[name], searches[name.session_id])
            for name in in_order
            if name.session_id in searches
        }

    async def waiting_named(self, event_id: str, most: int) -> Mapping[EventId, WaitingRow]:
        """Waiting events of this id, the latest first. `most`: as for `joined_named`."""
        rows = await self._store.rows(
            EVENT_WAITING_NAMED, self._scan_seconds, event_id=event_id, rows=most
        )
        found = _newest_by_name(rows)
        return {name: found[name] for name in (EventId(r.session_id, r.event_id) for r in rows)}

    async def dead_letters_named(
        self, event_id: str, since_ms: int, most: int
    ) -> list[NamedDeadLetterRow]:
        """Attempts of events of this id that were refused since then, the latest first."""
        return await self._store.rows(
            EVENT_DEAD_LETTERS_NAMED,
            self._scan_seconds,
            topic=self._topic,
            id_hex=avro_text(event_id).hex(),
            since_ms=since_ms,
            rows=most,
        )

    async def waiting_latest(self, most: int, after: WaitingPlace | None) -> list[WaitingRow]:
        """Events that wait for their session, the latest first, behind a place among them."""
        place = after or _BEFORE_ALL
        return await self._store.rows(
            EVENTS_WAITING_LATEST,
            self._scan_seconds,
            after_ms=place.received_at_ms,
            after_session_hex=place.session_id.encode().hex(),
            after_event_hex=place.event_id.encode().hex(),
            rows=most,
        )


class _Row(Protocol):
    @property
    def session_id(self) -> str: ...

    @property
    def event_id(self) -> str: ...

    @property
    def version(self) -> int: ...


EventRow = TypeVar("EventRow", bound=_Row)


def _newest_by_name(rows: Iterable[EventRow]) -> dict[EventId, EventRow]:
    """The row of the highest version of each: the one that was posted first."""
    return {EventId(row.session_id, row.event_id): row for row in sorted(rows, key=_version)}


def _version(row: SearchRow | MarkRow | _Row) -> int:
    return row.version


def _parameters(ids: Iterable[EventId]) -> dict[str, list[str]]:
    ids = list(ids)
    return {
        "session_ids": sorted({one.session_id for one in ids}),
        "event_ids": sorted({one.event_id for one in ids}),
    }
