"""The real `Sink`: Arrow blocks into ClickHouse, ids looked up as an external table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core import clickhouse
from core.clickhouse.id_batches import id_batches
from core.errors import StatementRefused
from core.kafka.partitions import Partition
from core.settings import Settings
from core.telemetry import WORKER_PARTS
from core.tracing import traced_step
from schemas.user_tables import COLUMNS, delete, tables_with_user_data
from stream_processors.join import table_columns
from stream_processors.join.erasures import Erased, HashSet
from stream_processors.join.recent_sessions import STORED
from stream_processors.join.stored_ids_filter import Hashes32
from stream_processors.write.facts import FactsTable
from stream_processors.write.sink import Adoption, DeadLetter, FactsPortion, Key, Portion
from stream_processors.write.statements import Statements, in_halves
from stream_processors.write.waiting_events import WaitingEvents

T = TypeVar("T")

# The ids come as an external table `named`: a parameter of 50,000 of them would not fit a URL.
# Lists are never read: of one array, ClickHouse keeps the length in a column of its own.
_FIND_SESSIONS = """
SELECT session_id, created_at, session_day, version,
    toUInt64(length(`search_results.object_id`)) AS results
FROM sessions
WHERE session_id IN named
ORDER BY version DESC
LIMIT 1 BY session_id
SETTINGS optimize_functions_to_subcolumns = 1
"""

# Lists are taken apart as they are read, so none is in memory twice, and none is copied by event.
_FIND_POSITIONS = """
SELECT asked.number AS number, toUInt16(min(listed.place)) AS position
FROM (
    SELECT session_id, object_id, place
    FROM sessions
    ARRAY JOIN `search_results.object_id` AS object_id,
        arrayEnumerate(`search_results.object_id`) AS place
    PREWHERE session_id IN (SELECT session_id FROM asked)
        AND (session_id, version) IN (SELECT session_id, version FROM asked)
    WHERE session_day IN (SELECT session_day FROM asked)
) AS listed
INNER JOIN asked
    ON asked.session_id = listed.session_id AND asked.object_id = listed.object_id
GROUP BY number
"""
_POSITIONS = pa.schema([pa.field("number", pa.uint32()), pa.field("position", pa.uint16())])

# Sessions, and results in the lists of sessions, in one look-up: seconds, and a tenth of the
# memory of a small server.
_SESSIONS_AT_ONCE = 50_000
_RESULTS_AT_ONCE = 2_000_000

# The two functions are those of `stored_ids_filter.hashes_of`. The partition of an id is computed:
# a stored `kafka_partition` is that of the day it was written, and topics can be made anew with
# another count. One thread: it is background work.
_STORED_SESSION_HASHES = """
SELECT kafkaMurmurHash(session_id) AS kafka, murmurHash2_32(session_id) AS plain
FROM sessions
WHERE kafkaMurmurHash(session_id) % {of:UInt32} IN {partitions:Array(UInt32)}
SETTINGS max_threads = 1
"""

# After every flush: the three tables only grow, and ClickHouse knows how many rows its parts have.
_TALLY = """
SELECT sum(rows) FROM (
    SELECT count() AS rows FROM erasures
    UNION ALL SELECT count() FROM erased_sessions
    UNION ALL SELECT count() FROM erased_dead_letters
)
SETTINGS max_threads = 1
"""
_ERASED_USERS = """
SELECT user_hash, toUnixTimestamp64Milli(max(cut_off)) AS latest
FROM erasures GROUP BY user_hash
"""
_ERASED_SESSIONS = "SELECT DISTINCT session_hash FROM erased_sessions"
_ERASED_LETTERS = "SELECT DISTINCT dead_letter_hash FROM erased_dead_letters"

_ERASE_LETTERS = """
DELETE FROM dead_letters
WHERE (topic, partition, offset, epoch) IN
    {places:Array(Tuple(String, UInt32, UInt64, UInt16))}
"""

_UNJOIN = """
DELETE FROM events
WHERE session_day IN {days:Array(Date)} AND session_id IN {ids:Array(String)}
    AND (session_id, event_id, version) IN (
        SELECT session_id, event_id, version FROM unjoined_events
        WHERE session_id IN {ids:Array(String)}
    )
"""

# ClickHouse's own default is 100 and it refuses the insert beyond; with a wide day window one flush
# of a backlog may touch more days.
_MOST_PARTITIONS_PER_INSERT = 90


# Those that have a partition for each day.
_TABLES_BY_DAY = frozenset({table_columns.SESSIONS, table_columns.EVENTS})

_DEAD_LETTER_COLUMNS = (
    *("topic", "partition", "offset", "reason", "error", "key", "value", "headers", "failed_at"),
    *("first_partition", "first_offset", "attempt", "cut_bytes", "epoch", "first_epoch"),
)

# Dead letters in one insert: a flush of nothing but tiny rejected records has millions of them.
_DEAD_LETTERS_AT_ONCE = 10_000
# Their places are part of a statement's text, which is shorter than an insert.
_DEAD_LETTERS_ERASED_AT_ONCE = 1_000


class ClickHouseSink:
    """Synchronous inserts (an insert that returned is readable), over one HTTP client."""

    def __init__(self, settings: Settings) -> None:
        """Raises SinkUnavailable when ClickHouse does not answer."""
        self._settings = settings
        self._client = clickhouse.connect(settings, role="clickstream worker")
        self._statements = Statements(settings, self._client)
        self._waiting = WaitingEvents(self._statements)
        self._facts = FactsTable(
            self._statements, settings.variant_fields, settings.dimensions, settings.event_value
        )

    def find_sessions(self, session_ids: pa.Array) -> pa.Table:
        named = pa.table({"session_id": session_ids})
        found = [
            part
            for first in range(0, len(named), _SESSIONS_AT_ONCE)
            for part in in_halves(
                named.slice(first, _SESSIONS_AT_ONCE),
                lambda some: self._statements.select(_FIND_SESSIONS, STORED, {}, named=some),
            )
        ]
        return table_columns.concat(found, STORED)

    def find_positions(self, asked: pa.Table) -> pa.Array:
        numbers = pa.array(np.arange(asked.num_rows, dtype=np.uint32))
        rows = asked.append_column("number", numbers).sort_by("session_id")
        positions = np.zeros(asked.num_rows, dtype=np.uint16)
        for part in _by_results(rows):
            for found in in_halves(part, self._find_positions):
                positions[found["number"].to_numpy()] = found["position"].to_numpy()
        return pa.array(positions)

    def _find_positions(self, asked: pa.Table) -> pa.Table:
        columns = ["number", "session_id", "object_id", "session_day", "version"]
        return self._statements.select(_FIND_POSITIONS, _POSITIONS, {}, asked=asked.select(columns))

    def count_waiting(self, asked: pa.Table) -> pa.Array:
        return self._waiting.count_before(asked)

    def stored_session_hashes(
        self, partitions: Sequence[int], of: int
    ) -> Iterator[tuple[Hashes32, Hashes32]]:
        # A client of its own: a long answer would hold up the inserts.
        with (
            self._errors(),
            clickhouse.connect(self._settings, role="clickstream worker") as client,
        ):
            parameters = {"partitions": list(partitions), "of": of}
            with client.query_arrow_stream(_STORED_SESSION_HASHES, parameters) as blocks:
                for block in blocks:
                    yield block["kafka"].to_numpy(), block["plain"].to_numpy()

    def write(self, table: str, rows: pa.Table) -> None:
        for part in _by_partitions(rows):
            in_halves(part, partial(self._insert, table))

    def write_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        for start in range(0, len(dead_letters), _DEAD_LETTERS_AT_ONCE):
            block = [
                _dead_letter_row(letter)
                for letter in dead_letters[start : start + _DEAD_LETTERS_AT_ONCE]
            ]
            self._call(
                partial(
                    self._client.insert,
                    table_columns.DEAD_LETTERS,
                    block,
                    column_names=_DEAD_LETTER_COLUMNS,
                )
            )
            WORKER_PARTS.labels(table_columns.DEAD_LETTERS).inc()

    def read_erased(self, tally: int) -> Erased | None:
        now = self._call(lambda: int(self._client.raw_query(_TALLY)))
        if now == tally:
            return None
        users, sessions, dead_letters = (
            self._call(partial(self._client.query_arrow, query))
            for query in (_ERASED_USERS, _ERASED_SESSIONS, _ERASED_LETTERS)
        )
        return Erased(
            now,
            dict(zip(*(column.to_pylist() for column in users.columns), strict=True)),
            HashSet(sessions.column(0).to_pylist()),
            HashSet(dead_letters.column(0).to_pylist()),
        )

    def erase(self, session_ids: Sequence[str]) -> None:
        database = self._statements.layout.shard_database
        columns = self._call(lambda: self._client.query(COLUMNS, parameters={"database": database}))
        for holder in tables_with_user_data(columns.result_rows):
            for ids in id_batches(session_ids) if holder.keyed_by_session else ():
                self._statements.on_every_node(
                    delete(holder.condition),
                    {"database": database, "table": holder.table, "ids": ids},
                )

    def erase_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        for start in range(0, len(letters), _DEAD_LETTERS_ERASED_AT_ONCE):
            some = letters[start : start + _DEAD_LETTERS_ERASED_AT_ONCE]
            places = [
                (*each.rejected.source, each.rejected.record.offset, each.epoch) for each in some
            ]
            self._statements.on_every_node(_ERASE_LETTERS, {"places": places})

    def adopt(self, sessions: pa.Table) -> Adoption:
        return self._waiting.adopt(sessions)

    def waiting_portion(self, after: Key) -> Portion | None:
        return self._waiting.next_portion(after)

    def adopt_waiting(self, portion: Portion) -> pa.Table:
        return self._waiting.adopt_portion(portion, self.find_sessions)

    def delete_adopted(self, adopted: pa.Table, portion: Portion | None = None) -> None:
        self._waiting.delete(adopted, portion)

    def unjoin(self, sessions: pa.Table) -> None:
        days = {"days": sessions["session_day"].unique().to_pylist()}
        for ids in id_batches(sessions["session_id"].to_pylist()):
            self._statements.on_every_node(_UNJOIN, {**days, "ids": ids})

    def refresh_facts(self, touched: pa.Table) -> None:
        self._facts.refresh(touched)

    def facts_progress(self, topics: Iterable[str]) -> Mapping[Partition, int]:
        return self._facts.progress(topics)

    def missing_facts(
        self, sessions: Mapping[int, int], events: Mapping[int, int]
    ) -> Sequence[FactsPortion]:
        return self._facts.missing(sessions, events)

    def refresh_missing_facts(self, portion: FactsPortion) -> None:
        self._facts.refresh_portion(portion)

    def note_facts_progress(self, reached: Mapping[Partition, int], epoch: int) -> None:
        self._facts.note(reached, epoch)

    def _insert(self, table: str, rows: pa.Table) -> None:
        with traced_step(f"insert {table}"):
            self._call(partial(self._client.insert_arrow, table, rows))
        is_by_day = table in _TABLES_BY_DAY
        WORKER_PARTS.labels(table).inc(len(pc.unique(rows["session_day"])) if is_by_day else 1)

    def _call(self, action: Callable[[], T]) -> T:
        with self._errors():
            return action()

    def _errors(self) -> AbstractContextManager[None]:
        return clickhouse.translate(self._settings, on_refusal=StatementRefused)


def _dead_letter_row(letter: DeadLetter) -> list[object]:
    rejected, record, attempt = letter.rejected, letter.rejected.record, letter.attempt
    return [
        *(*rejected.source, record.offset, rejected.reason.value, letter.error),
        *(record.key, record.value, list(record.headers), letter.failed_at_ms),
        *(attempt.partition, attempt.offset, attempt.number, rejected.cut_bytes),
        *(letter.epoch, attempt.epoch),
    ]


def _by_results(asked: pa.Table) -> Iterator[pa.Table]:
    """In parts whose sessions have at most so many results together, or that are of one session.
    The rows are sorted by session."""
    ids = asked["session_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    is_first = np.diff(ids, prepend=-1) != 0
    results = np.cumsum(np.where(is_first, asked["results"].to_numpy(), 0)) // _RESULTS_AT_ONCE
    starts = np.flatnonzero((np.diff(results, prepend=-1) != 0) & is_first)
    for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        yield asked.slice(int(start), int(end - start))


def _by_partitions(table: pa.Table) -> list[pa.Table]:
    """Split so that no insert touches more partitions than ClickHouse takes at once."""
    if "session_day" not in table.schema.names:
        return [table]
    days = pc.unique(table["session_day"])
    if len(days) <= _MOST_PARTITIONS_PER_INSERT:
        return [table]
    return [
        table.filter(
            pc.is_in(table["session_day"], value_set=days.slice(start, _MOST_PARTITIONS_PER_INSERT))
        )
        for start in range(0, len(days), _MOST_PARTITIONS_PER_INSERT)
    ]
