"""The real `Sink`: Arrow blocks into ClickHouse, ids looked up as an external table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date
from functools import partial
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.external import ExternalData

from core import clickhouse
from core.clickhouse.id_batches import id_batches
from core.errors import SinkUnavailable
from core.settings import Settings
from schemas.user_tables import COLUMNS, delete, tables_with_user_data
from stream_processors.join import table_columns
from stream_processors.join.erasures import Erased, HashSet
from stream_processors.join.recent_sessions import KNOWN
from stream_processors.join.stored_ids_filter import Hashes32
from stream_processors.write.sink import DeadLetter

T = TypeVar("T")

# The ids come as an external table `named`: a parameter of 50,000 of them would not fit a URL.
_FIND_SESSIONS = """
SELECT session_id, created_at, session_day, `search_results.object_id` AS object_ids, version
FROM sessions
WHERE session_id IN named
ORDER BY version DESC
LIMIT 1 BY session_id
"""

_FIND_UNJOINED = f"""
SELECT {", ".join(table_columns.UNJOINED_COLUMNS.names)}
FROM unjoined_events
WHERE session_id IN named
ORDER BY version DESC
LIMIT 1 BY session_id, event_id
"""  # noqa: S608 - names of our own columns

# The two functions are those of `stored_ids_filter.hashes_of`. The partition of an id is computed:
# a stored `kafka_partition` is that of the day it was written, and topics can be made anew with
# another count. One thread: it is background work.
_STORED_SESSION_HASHES = """
SELECT kafkaMurmurHash(session_id) AS kafka, murmurHash2_32(session_id) AS plain
FROM sessions
WHERE kafkaMurmurHash(session_id) % {of:UInt32} IN {partitions:Array(UInt32)}
SETTINGS max_threads = 1
"""

# As `join` does it, for events whose session was missed when it was looked up. Sessions that are
# being erased are left out: an erasure waits only for the inserts that began before it.
_ADOPT_WAITING = f"""
INSERT INTO events ({", ".join(table_columns.EVENT_COLUMNS.names)})
SELECT
    {", ".join(f"waiting.{name}" for name in table_columns.UNJOINED_COLUMNS.names)},
    indexOf(stored.object_ids, waiting.object_id), stored.created_at, stored.session_day
FROM unjoined_events AS waiting
INNER JOIN (
    SELECT session_id, created_at, session_day, `search_results.object_id` AS object_ids
    FROM sessions
    WHERE session_id IN (SELECT session_id FROM unjoined_events)
        AND substring(SHA256(session_id), 1, 16) NOT IN (SELECT session_hash FROM erased_sessions)
    ORDER BY version DESC
    LIMIT 1 BY session_id
) AS stored ON stored.session_id = waiting.session_id
SETTINGS max_partitions_per_insert_block = 0
"""  # noqa: S608 - names of our own columns

# Only what is in `events`: an event that is not there yet is late, and must not be lost.
# ClickHouse runs the subqueries once for each part of `unjoined_events`, and twice over. So the
# usual deletion names the days that it may read.
_DELETE_ADOPTED = """
DELETE FROM unjoined_events
WHERE (session_id, event_id, version) IN (
    SELECT session_id, event_id, version FROM events
    WHERE session_id IN (SELECT session_id FROM unjoined_events) {on_days}
)
"""
_ON_DAYS = "AND session_day IN {days:Array(Date)}"

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

# ClickHouse's own default is 100 and it refuses the insert beyond; with a wide day window one flush
# of a backlog may touch more days.
_MOST_PARTITIONS_PER_INSERT = 90


_DEAD_LETTER_COLUMNS = (
    *("topic", "partition", "offset", "reason", "error", "key", "value", "headers", "failed_at"),
    *("first_partition", "first_offset", "attempt", "cut_bytes"),
)

# Dead letters in one insert: a flush of nothing but tiny rejected records has millions of them.
_DEAD_LETTERS_AT_ONCE = 10_000


class ClickHouseSink:
    """Synchronous inserts (an insert that returned is readable), over one HTTP client."""

    def __init__(self, settings: Settings) -> None:
        """Raises SinkUnavailable when ClickHouse does not answer."""
        self._settings = settings
        self._client = clickhouse.connect(settings, role="clickstream worker")

    def find_sessions(self, session_ids: pa.Array) -> pa.Table:
        return self._look_up(_FIND_SESSIONS, session_ids, KNOWN)

    def find_unjoined(self, session_ids: pa.Array) -> pa.Table:
        return self._look_up(_FIND_UNJOINED, session_ids, table_columns.UNJOINED_COLUMNS)

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
            self._call(partial(self._client.insert_arrow, table, part))

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
        columns = self._call(
            lambda: self._client.query(COLUMNS, parameters={"database": self._client.database})
        )
        for holder in tables_with_user_data(columns.result_rows):
            for ids in id_batches(session_ids) if holder.keyed_by_session else ():
                self._call(
                    partial(
                        self._client.command,
                        delete(holder.condition),
                        parameters={
                            "database": self._client.database,
                            "table": holder.table,
                            "ids": ids,
                        },
                    )
                )

    def adopt_waiting(self) -> None:
        self._call(lambda: self._client.command(_ADOPT_WAITING))

    def delete_adopted(self, days: Collection[date]) -> None:
        statement = _DELETE_ADOPTED.format(on_days=_ON_DAYS)
        self._call(partial(self._client.command, statement, {"days": sorted(days)}))

    def delete_adopted_everywhere(self) -> None:
        self._call(partial(self._client.command, _DELETE_ADOPTED.format(on_days="")))

    def _look_up(self, query: str, session_ids: pa.Array, columns: pa.Schema) -> pa.Table:
        named = pa.table({"session_id": session_ids})
        stream = pa.BufferOutputStream()
        with pa.ipc.new_file(stream, named.schema) as writer:
            writer.write_table(named)
        external = ExternalData(
            file_name="named",
            fmt="Arrow",
            structure="session_id String",
            data=stream.getvalue().to_pybytes(),
        )
        found = self._call(lambda: self._client.query_arrow(query, external_data=external))
        return found.cast(columns)

    def _call(self, action: Callable[[], T]) -> T:
        with self._errors():
            return action()

    def _errors(self) -> AbstractContextManager[None]:
        """Our rows fit our own schema. So a refusal is the server's state (starting, out of disk,
        a migration missing) and never the record's fault: it is worth a retry."""
        return clickhouse.translate(self._settings, on_refusal=SinkUnavailable)


def _dead_letter_row(letter: DeadLetter) -> list[object]:
    rejected, record, attempt = letter.rejected, letter.rejected.record, letter.attempt
    return [
        *(*rejected.source, record.offset, rejected.reason.value, letter.error),
        *(record.key, record.value, list(record.headers), letter.failed_at_ms),
        *(attempt.partition, attempt.offset, attempt.number, rejected.cut_bytes),
    ]


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
