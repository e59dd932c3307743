"""Rows as the worker would store them, for tests of the read side alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from core.clickhouse.client import connect
from core.settings import Settings
from stream_processors.write.clickhouse import ClickHouseSink
from tests.clickhouse_tables import on_tables, truncate

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OVERFLOW_DAY = date(1970, 1, 1)
NOON_MS = 1_700_049_600_000  # 2023-11-15T12:00:00Z
DAY_MS = 86_400_000

TABLES = ("sessions", "events", "session_marks", "unjoined_events", "session_facts")

# As the worker counts: the first offset wins a session and an event, the last one a mark.
_TOP = 2**64 - 1


def moment(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


@dataclass(frozen=True)
class Search:
    """A session; `results` are (object_id, rank, meta)."""

    session_id: str
    query: str = "shoes"
    results: tuple[tuple[str, float | None, str | None], ...] = (("a", 1.0, None),)
    created_at: int = NOON_MS
    search_meta: str | None = None
    payload_filter: str | None = None
    sort_by: str | None = None
    user_id: str | None = None
    overflow: bool = False
    offset: int = 0
    received_at: int | None = None
    """None: when it was created."""

    @property
    def day(self) -> date:
        return OVERFLOW_DAY if self.overflow else moment(self.created_at).date()


@dataclass(frozen=True)
class Event:
    """An event of `search`; its position is looked up in the list."""

    search: Search
    event_id: str
    object_id: str = "a"
    event_type: str = "click"
    created_at: int = NOON_MS + 1_000
    meta: str | None = None
    offset: int = 0

    @property
    def position(self) -> int:
        shown = [object_id for object_id, _, _ in self.search.results]
        return shown.index(self.object_id) + 1 if self.object_id in shown else 0


@dataclass(frozen=True)
class Mark:
    session_id: str
    is_irrelevant: bool = True
    offset: int = 0


@dataclass(frozen=True)
class World:
    """Everything that is stored."""

    searches: tuple[Search, ...] = ()
    events: tuple[Event, ...] = ()
    marks: tuple[Mark, ...] = ()
    unjoined: tuple[Event, ...] = field(default=())


def store(settings: Settings, world: World, *, refresh: bool = True) -> None:
    """Insert it, with its facts. Rows of one key go into different parts, so that a read must
    choose."""
    with connect(settings) as client:
        for table, columns, rows in (
            ("sessions", _SESSION, [(s.session_id, _session(s)) for s in world.searches]),
            (
                "events",
                _EVENT,
                [((e.search.session_id, e.event_id), _event(e)) for e in world.events],
            ),
            ("session_marks", _MARK, [(m.session_id, _mark(m)) for m in world.marks]),
            ("unjoined_events", _UNJOINED, [(e, _unjoined(e)) for e in world.unjoined]),
        ):
            for block in _rounds(rows):
                client.insert(table, block, column_names=columns)
    if refresh:
        refresh_facts(settings)


def refresh_facts(settings: Settings) -> None:
    """As a worker does it, of every stored session."""
    sink = ClickHouseSink(settings)
    for portion in sink.missing_facts({0: 0}, {0: 0}):
        sink.refresh_missing_facts(portion)


def empty(settings: Settings) -> None:
    """Remove everything, and let nothing that comes be merged."""
    truncate(settings, *TABLES)
    on_tables(settings, "SYSTEM STOP MERGES {}", *TABLES)


def _rounds(rows: Sequence[tuple[Hashable, list[object]]]) -> Iterator[list[list[object]]]:
    """The first row of each key, then the second of each, and so on, in their order."""
    seen: Counter[Hashable] = Counter()
    rounds: defaultdict[int, list[list[object]]] = defaultdict(list)
    for key, row in rows:
        rounds[seen[key]].append(row)
        seen[key] += 1
    yield from rounds.values()


_SESSION = [
    "session_id",
    "search_query",
    "search_results.object_id",
    "search_results.rank",
    "search_results.meta",
    "search_meta",
    "payload_filter",
    "sort_by",
    "user_id",
    "created_at",
    "received_at",
    "session_day",
    "kafka_partition",
    "kafka_offset",
    "version",
]
_UNJOINED = [
    "session_id",
    "event_id",
    "object_id",
    "event_type",
    "meta",
    "created_at",
    "received_at",
    "kafka_partition",
    "kafka_offset",
    "version",
]
_EVENT = [*_UNJOINED, "position", "session_created_at", "session_day"]
_MARK = ["session_id", "is_irrelevant", "received_at", "kafka_partition", "kafka_offset", "version"]


def _session(search: Search) -> list[object]:
    ids, ranks, metas = ([result[place] for result in search.results] for place in range(3))
    created = moment(search.created_at)
    return [
        search.session_id,
        search.query,
        ids,
        ranks,
        metas,
        search.search_meta,
        search.payload_filter,
        search.sort_by,
        search.user_id,
        created,
        created if search.received_at is None else moment(search.received_at),
        search.day,
        0,
        search.offset,
        _TOP - search.offset,
    ]


def _unjoined(event: Event) -> list[object]:
    return [
        event.search.session_id,
        event.event_id,
        event.object_id,
        event.event_type,
        event.meta,
        moment(event.created_at),
        datetime.now(UTC),  # its rows live 30 days from receipt
        0,
        event.offset,
        _TOP - event.offset,
    ]


def _event(event: Event) -> list[object]:
    session = event.search
    return [*_unjoined(event), event.position, moment(session.created_at), session.day]


def _mark(mark: Mark) -> list[object]:
    return [mark.session_id, mark.is_irrelevant, moment(NOON_MS), 0, mark.offset, mark.offset]
