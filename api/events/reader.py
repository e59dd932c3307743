"""`EventReader`: events by their ids, where they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from api.events.queries import (
    EVENT_DEAD_LETTER,
    EVENT_JOINED,
    EVENT_SESSION,
    EVENT_WAITING,
    EVENTS_WAITING,
    DeadLetterRow,
    JoinedRow,
    SearchRow,
    WaitingRow,
)
from api.store import Store
from schemas.event_ids import avro_beginning


class EventId(NamedTuple):
    """The name of an event: an event id is unique within its session."""

    session_id: str
    event_id: str


class Joined(NamedTuple):
    """A joined event and its search."""

    event: JoinedRow
    search: SearchRow


class EventReader:
    """Every method raises SinkUnavailable when ClickHouse does not answer in time."""

    def __init__(self, store: Store, events_topic: str, seconds: float) -> None:
        """`seconds` is the timeout of each query."""
        self._store = store
        self._topic = events_topic
        self._seconds = seconds

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

    async def count_waiting(self, session_id: str) -> int:
        """How many events wait for this session."""
        rows = await self._store.rows(EVENTS_WAITING, self._seconds, session_ids=[session_id])
        return rows[0].events if rows else 0

    async def searches(self, session_ids: Iterable[str]) -> Mapping[str, SearchRow]:
        """Those of these sessions that are stored."""
        ids = sorted(set(session_ids))
        rows = await self._store.rows(EVENT_SESSION, self._seconds, session_ids=ids)
        return {row.session_id: row for row in sorted(rows, key=_version)}

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


def _version(row: SearchRow | _Row) -> int:
    return row.version


def _parameters(ids: Iterable[EventId]) -> dict[str, list[str]]:
    ids = list(ids)
    return {
        "session_ids": sorted({one.session_id for one in ids}),
        "event_ids": sorted({one.event_id for one in ids}),
    }
