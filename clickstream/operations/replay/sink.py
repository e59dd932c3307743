"""The sink of a replay: a worker's, but for what a second reading must not change."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from clickstream.operations.replay import queries
from core.settings import Settings
from stream_processors.join import table_columns
from stream_processors.join.recent_sessions import STORED
from stream_processors.write.clickhouse import ClickHouseSink
from stream_processors.write.sink import DeadLetter


class NoDeadLetterTopic:
    """A dead-letter topic that takes nothing: the workers have published these dead letters."""

    def publish(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Does nothing."""


class ReplaySink(ClickHouseSink):
    """`on_two_days` counts sessions that were stored on another day than their first post has."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._stored = STORED.empty_table()
        self.on_two_days = 0

    def find_sessions(self, session_ids: pa.Array) -> pa.Table:
        self._stored = super().find_sessions(session_ids)
        return self._stored

    def write(self, table: str, rows: pa.Table) -> None:
        super().write(table, rows)
        if table == table_columns.SESSIONS:
            ids = self._stored["session_id"].combine_chunks()
            days = self._stored["session_day"].take(pc.index_in(rows["session_id"], value_set=ids))
            self.on_two_days += pc.sum(pc.not_equal(days, rows["session_day"])).as_py() or 0
            self._stored = STORED.empty_table()

    def refresh_facts(self, touched: pa.Table) -> None:
        """Twice: a worker that computes the same session while the first is under way may know an
        event that the first does not, and what the session showed only from older facts."""
        super().refresh_facts(touched)
        super().refresh_facts(touched.filter(pc.equal(touched["is_posted"], 1)))

    def write_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Those that are not stored yet: a dead letter keeps the moment at which a worker gave up
        on its record, and with it its 30 days."""
        by_partition: dict[tuple[str, int, int], list[DeadLetter]] = {}
        for letter in dead_letters:
            source = letter.rejected.source
            by_partition.setdefault((*source, letter.epoch), []).append(letter)
        for place, some in by_partition.items():
            stored = self._stored_letters(place, [_offset(each) for each in some])
            super().write_dead_letters([each for each in some if _offset(each) not in stored])

    def _stored_letters(self, place: tuple[str, int, int], offsets: Sequence[int]) -> set[int]:
        topic, partition, epoch = place
        parameters = {
            "topic": topic,
            "partition": partition,
            "epoch": epoch,
            "first": min(offsets),
            "last": max(offsets),
        }
        found = self._call(lambda: self._client.query(queries.LETTERS_BETWEEN, parameters))
        return {int(offset) for (offset,) in found.result_rows}


def _offset(letter: DeadLetter) -> int:
    return letter.rejected.record.offset
