"""The tables of a month of traffic, without Kafka: what the benchmarks of the read side read.

The rows are the worker's own: its pure functions make them of the corpus, and its sink writes
them. Only the fetching is left out. Loaded once per data folder; a later run finds it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.client import Client

from benchmarks.corpus import EVENT_SHAPE, Corpus, batch_of
from benchmarks.lab import Lab
from benchmarks.script import Size
from core import clickhouse
from core.kafka.partitioner import partitions_of
from core.settings import Settings
from schemas.topics import Topics
from stream_processors.join import table_columns
from stream_processors.join.join import as_known, join, with_day
from stream_processors.join.session_day import DayWindow
from stream_processors.write.clickhouse import ClickHouseSink
from stream_processors.write.facts_refresh import FactsRefresh

SESSIONS: Final = 10_000_000
"""At scale 1."""

STANDING_STILL: Final = (table_columns.SESSIONS, table_columns.EVENTS)
"""Tables in which nothing may merge parts away while they are measured."""

DAYS: Final = 30
RESULTS: Final = 10
EVENTS: Final = 8
MARKED_EVERY: Final = 100
UNIQUE_QUERIES: Final = 0.6
DEVICES: Final = 4
DIMENSIONS: Final = ("search_meta.device", "search_meta.country")
"""Paths that are declared."""

# 2026-07-01T00:00:00Z. Fixed, so that a data folder is good for ever.
_END_MS: Final = 1_782_864_000_000
_DAY_MS: Final = 86_400_000
_EPOCH: Final = 0
# Sessions of one insert: as many rows as a worker writes when it is far behind.
_CHUNK: Final = 50_000
# The newest day ends with inserts of a worker that keeps up, and so much of it comes in them.
_FRESH_PARTS: Final = 8
_FRESH_SHARE: Final = 1 / 50


@dataclass(frozen=True, slots=True)
class Month:
    """What is stored: `corpus.total` sessions, of which every hundredth is marked irrelevant."""

    corpus: Corpus

    @classmethod
    def of(cls, size: Size) -> Month:
        total = size.of(SESSIONS)
        return cls(
            Corpus(
                _END_MS,
                total,
                results=RESULTS,
                events=EVENTS,
                days=DAYS,
                unique_queries=UNIQUE_QUERIES,
                devices=DEVICES,
            )
        )

    @property
    def sessions(self) -> int:
        return self.corpus.total

    @property
    def events(self) -> int:
        return self.corpus.total * self.corpus.events

    @property
    def marked(self) -> range:
        """Numbers of the sessions that are marked."""
        return range(MARKED_EVERY // 2, self.sessions, MARKED_EVERY)

    def last_days(self, days: int) -> int:
        """When the last so many days began, milliseconds since the epoch."""
        return self.corpus.end_ms - days * _DAY_MS


@contextmanager
def stored_month(lab: Lab, size: Size) -> Iterator[tuple[Settings, Month]]:
    """The tables, filled and merged as a system's are that has run for a month.

    All days but the newest are one part each, as `min_age_to_force_merge_seconds` leaves them.
    """
    month = Month.of(size)
    name = f"bench_varied_month_{month.sessions}"
    with lab.isolated(kept=name, dimensions=DIMENSIONS) as settings:
        with clickhouse.connect(settings, role="clickstream bench", answer_seconds=600) as client:
            if _stored(client) < month.sessions:
                _load(settings, client, month)
            for table in STANDING_STILL:
                client.command(f"SYSTEM STOP MERGES {table}")
            if _count(client, "session_facts") < month.sessions:
                _compute_facts(settings)
            _merge_facts(client)
            _arrive_again(settings, month)
            _check(client, month)
        yield settings, month


def _load(settings: Settings, client: Client, month: Month) -> None:
    for table in (table_columns.SESSIONS, table_columns.EVENTS, table_columns.MARKS):
        client.command(f"TRUNCATE TABLE {table}")
        client.command(f"SYSTEM STOP MERGES {table}")
    feed = Feed(settings, month.corpus)
    # One insert is on its way while the next is made.
    with ThreadPoolExecutor(1) as sender:
        sent: Future[None] | None = None
        for first, count in [*_backlog(month), *_latest(month)]:
            made = feed.made(first, count)
            if sent is not None:
                sent.result()
            sent = sender.submit(feed.send, made)
            _say(f"{first + count:,} of {month.sessions:,} sessions")
        if sent is not None:
            sent.result()
    feed.mark(month.marked)
    for table in (table_columns.SESSIONS, table_columns.EVENTS, table_columns.MARKS):
        client.command(f"SYSTEM START MERGES {table}")
    for table in (table_columns.SESSIONS, table_columns.EVENTS):
        for day in _days(client, table)[:-1]:
            client.command(f"OPTIMIZE TABLE {table} PARTITION '{day}' FINAL")
            _say(f"{table} of {day} merged")
    client.command(f"OPTIMIZE TABLE {table_columns.MARKS} FINAL")


def _arrive_again(settings: Settings, month: Month) -> None:
    """Redeliver the end of the newest day, so that it has parts that came after its facts."""
    feed = Feed(settings, month.corpus)
    for first, count in _latest(month):
        feed.send(feed.made(first, count))


def _compute_facts(settings: Settings) -> None:
    """As a worker does it that finds tables without facts."""
    sink = ClickHouseSink(settings)
    facts = FactsRefresh(sink, Topics.from_settings(settings), settings.topics.epoch)
    facts.assigned(range(settings.topics.partitions))
    while not facts.step({}):
        _say("some more facts are computed")


def _merge_facts(client: Client) -> None:
    """Of all days but the newest, as it happens within the hour."""
    for day in _days(client, "session_facts")[:-1]:
        client.command(
            f"OPTIMIZE TABLE session_facts PARTITION '{day}' FINAL"
            " SETTINGS optimize_skip_merged_partitions = 1"
        )


def _backlog(month: Month) -> Iterator[tuple[int, int]]:
    """(first, count) of each insert of what came long ago."""
    end = next(_latest(month))[0]
    for first in range(0, end, _CHUNK):
        yield first, min(_CHUNK, end - first)


def _latest(month: Month) -> Iterator[tuple[int, int]]:
    """(first, count) of the last inserts, small ones."""
    count = max(1, round(month.sessions / DAYS * _FRESH_SHARE / _FRESH_PARTS))
    for part in range(_FRESH_PARTS, 0, -1):
        yield month.sessions - part * count, count


class Feed:
    """The corpus through the worker's functions into its tables.

    The offset of a record is its place in the corpus. The same inserts again are a redelivery.
    """

    def __init__(self, settings: Settings, corpus: Corpus) -> None:
        self._corpus = corpus
        self._sink = ClickHouseSink(settings)
        self._partitions = settings.topics.partitions
        worker = settings.worker
        self._window = DayWindow(worker.day_window_past, worker.day_window_future)

    def made(self, first: int, count: int) -> tuple[pa.Table, pa.Table]:
        """The rows of these sessions and of their events."""
        sessions = self._fetched(self._corpus.sessions(first, count), first)
        events = self._fetched(self._corpus.events_of(first, count), first * self._corpus.events)
        stored = table_columns.session_rows(with_day(sessions, self._window), _EPOCH)
        joined = join(table_columns.event_rows(events, _EPOCH), as_known(stored))
        return stored, table_columns.joined_rows(joined.events)

    def late_purchases(self, first: int, count: int, tag: str) -> pa.Table:
        """The rows of a purchase of the first result an hour after each of these sessions, but of
        none that is marked. `tag` begins the ids."""
        of_all = self._corpus.sessions(first, count)
        numbers = np.arange(first, first + count)
        sessions = of_all.filter(pa.array(numbers % MARKED_EVERY != MARKED_EVERY // 2))
        rows = len(sessions)
        results = pc.list_element(sessions["search_results"], 0)
        at = pc.add(sessions["created_at"].cast(pa.int64()), 3_600_000).cast(pa.timestamp("ms"))
        columns = {
            "session_id": sessions["session_id"],
            "event_id": pa.array([f"{tag}-{first + row}" for row in range(rows)]),
            "object_id": pc.struct_field(results, "object_id"),
            "event_type": pa.array(["purchase"] * rows),
            "created_at": at,
            "received_at": at,
        }
        events = self._fetched(batch_of(columns, EVENT_SHAPE, rows), first)
        stored = with_day(self._fetched(of_all, first), self._window)
        known = as_known(table_columns.session_rows(stored, _EPOCH))
        joined = join(table_columns.event_rows(events, _EPOCH), known)
        return table_columns.joined_rows(joined.events)

    def send(self, made: tuple[pa.Table, pa.Table]) -> None:
        """Written when it returns."""
        sessions, events = made
        self._sink.write(table_columns.EVENTS, events)
        self._sink.write(table_columns.SESSIONS, sessions)

    def mark(self, numbers: range) -> None:
        ids = pa.array([self._corpus.session_ids(number, 1)[0] for number in numbers], pa.string())
        now = pa.array(np.full(len(ids), self._corpus.end_ms)).cast(pa.timestamp("ms"))
        marks = pa.table(
            {
                "session_id": ids,
                "is_irrelevant": pa.array(np.ones(len(ids), dtype=bool)),
                "marked_by": pa.nulls(len(ids), pa.string()),
                "received_at": now,
            }
        )
        self._sink.write(
            table_columns.MARKS, table_columns.mark_rows(self._placed(marks, 0), _EPOCH)
        )

    def _fetched(self, batch: pa.RecordBatch, first: int) -> pa.Table:
        return self._placed(pa.Table.from_batches([batch]), first)

    def _placed(self, records: pa.Table, first: int) -> pa.Table:
        """With partition and offset."""
        ids = records["session_id"].combine_chunks()
        partitions = partitions_of(ids, self._partitions).astype(np.uint32)
        offsets = np.arange(first, first + len(ids), dtype=np.int64)
        records = records.append_column("kafka_offset", pa.array(offsets))
        return records.append_column("kafka_partition", pa.array(partitions))


def _check(client: Client, month: Month) -> None:
    """What was made is there, each once, and no more."""
    (found,) = client.query(
        "SELECT (SELECT count() FROM sessions FINAL), (SELECT count() FROM events FINAL),"
        " (SELECT count() FROM session_marks FINAL WHERE is_irrelevant)"
    ).result_rows
    expected = (month.sessions, month.events, len(month.marked))
    # A kept folder has the late purchases of earlier runs, too.
    if (found[0], min(found[1], month.events), found[2]) != expected:
        raise AssertionError(
            f"{tuple(found)} sessions, events and marks are stored, not {expected}"
        )


def _stored(client: Client) -> int:
    ((marks,),) = client.query("SELECT count() FROM session_marks FINAL").result_rows
    return int(marks) * MARKED_EVERY


def _count(client: Client, table: str) -> int:
    return int(client.query(f"SELECT count() FROM {table} FINAL").result_rows[0][0])  # noqa: S608 - our own


def _days(client: Client, table: str) -> list[str]:
    query = f"SELECT DISTINCT toString(session_day) AS day FROM {table} ORDER BY day"  # noqa: S608
    return [day for (day,) in client.query(query).result_rows]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
