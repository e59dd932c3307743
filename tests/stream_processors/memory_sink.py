"""A `Sink` in memory, with ClickHouse's rule of the highest version. For tests of the pure core."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from core.errors import StatementRefused
from core.kafka.partitioner import partition_of
from core.kafka.partitions import Partition
from schemas.erasures import session_hash
from stream_processors.join import table_columns
from stream_processors.join.erasures import Erased, HashSet
from stream_processors.join.join import join
from stream_processors.join.recent_sessions import KNOWN, STORED
from stream_processors.join.stored_ids_filter import Hashes32, hashes_of
from stream_processors.join.table_columns import ERASED_SESSIONS
from stream_processors.write.facts import touched
from stream_processors.write.sink import (
    ADOPTED,
    BEFORE_ALL,
    Adoption,
    DeadLetter,
    FactsPortion,
    Key,
    Portion,
    Sink,
)

Row = dict[str, Any]

KEYS = {
    # One session has one day, so a second row on another day would be a second session: the day is
    # part of the key here just as it is in ClickHouse, where merges stay inside a partition.
    table_columns.SESSIONS: ("session_day", "session_id"),
    table_columns.EVENTS: ("session_day", "session_id", "event_id"),
    table_columns.UNJOINED: ("session_id", "event_id"),
    table_columns.MARKS: ("session_id",),
    table_columns.FACTS: ("session_day", "session_id"),
}


class MemorySink:
    """Tables as dictionaries: `tables[name][key] -> row`."""

    def __init__(self, events_at_once: int = 1_000_000) -> None:
        """`events_at_once`: of a portion, and of a session that is not left to the clean-up."""
        self._events_at_once = events_at_once
        self.refuses: Callable[[str, Row], bool] = lambda table, row: False  # noqa: ARG005 - by name
        self.tables: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in KEYS}
        self.dead_letters: dict[tuple[str, int, int], DeadLetter] = {}
        self.erasures: dict[bytes, int] = {}
        self.erased_sessions: set[bytes] = set()
        self.erased_dead_letters: set[bytes] = set()
        self.noted: dict[Partition, int] = {}

    def find_sessions(self, session_ids: pa.Array) -> pa.Table:
        wanted = set(session_ids.to_pylist())
        found = [
            {**row, "results": len(row["search_results.object_id"])}
            for row in self.tables[table_columns.SESSIONS].values()
            if row["session_id"] in wanted
        ]
        return pa.Table.from_pylist(found, schema=STORED)

    def find_positions(self, asked: pa.Table) -> pa.Array:
        lists = {
            (row["session_id"], row["version"]): row["search_results.object_id"]
            for row in self.tables[table_columns.SESSIONS].values()
        }
        shown = [
            (lists[row["session_id"], row["version"]], row["object_id"])
            for row in asked.to_pylist()
        ]
        positions = [list_.index(id_) + 1 if id_ in list_ else 0 for list_, id_ in shown]
        return pa.array(positions, pa.uint16())

    def count_waiting(self, asked: pa.Table) -> pa.Array:
        waiting = self.tables[table_columns.UNJOINED].values()
        return pa.array(
            [
                sum(row["session_id"] == session_id and row["version"] > version for row in waiting)
                for session_id, version in zip(*asked.to_pydict().values(), strict=True)
            ],
            pa.uint64(),
        )

    def stored_session_hashes(
        self, partitions: Sequence[int], of: int
    ) -> Iterator[tuple[Hashes32, Hashes32]]:
        for row in self.tables[table_columns.SESSIONS].values():
            if partition_of(row["session_id"], of) in partitions:
                yield hashes_of(pa.array([row["session_id"]]))

    def write(self, table: str, rows: pa.Table) -> None:
        if table == ERASED_SESSIONS:
            self.erased_sessions.update(rows["session_hash"].to_pylist())
            return
        stored = self.tables[table]
        if any(self.refuses(table, row) for row in rows.to_pylist()):
            raise StatementRefused("it refuses one of the rows")
        for row in rows.to_pylist():
            key = tuple(row[name] for name in KEYS[table])
            if key not in stored or row["version"] >= stored[key]["version"]:
                stored[key] = row

    def write_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        for letter in dead_letters:
            source = letter.rejected.source
            self.dead_letters[*source, letter.rejected.record.offset] = letter

    def read_erased(self, tally: int) -> Erased | None:
        sessions = HashSet(self.erased_sessions)
        dead_letters = HashSet(self.erased_dead_letters)
        now = len(self.erasures) + len(sessions) + len(dead_letters)
        return None if now == tally else Erased(now, dict(self.erasures), sessions, dead_letters)

    def erase(self, session_ids: Sequence[str]) -> None:
        for table in (
            table_columns.FACTS,
            table_columns.MARKS,
            table_columns.EVENTS,
            table_columns.UNJOINED,
            table_columns.SESSIONS,
        ):
            stored = self.tables[table]
            for key in [key for key, row in stored.items() if row["session_id"] in session_ids]:
                del stored[key]

    def erase_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            source = letter.rejected.source
            self.dead_letters.pop((*source, letter.rejected.record.offset), None)

    def adopt(self, sessions: pa.Table) -> Adoption:
        waiting = self.tables[table_columns.UNJOINED].values()
        counts = Counter(row["session_id"] for row in waiting)
        ids = sessions["session_id"].to_pylist()
        left = [id_ for id_ in ids if counts[id_] > self._events_at_once]
        adopted = [ADOPTED.empty_table()]
        for row, id_ in enumerate(ids):
            try:
                if id_ not in left:
                    adopted.append(self._adopt(list(waiting), sessions.slice(row, 1)))
            except StatementRefused:
                left.append(id_)
        return Adoption(pa.concat_tables(adopted), tuple(left))

    def _adopt(self, events: list[Row], sessions: pa.Table) -> pa.Table:
        waiting = pa.Table.from_pylist(events, schema=table_columns.UNJOINED_COLUMNS)
        joined = join(waiting, sessions).events
        if joined.num_rows:
            self.write(table_columns.EVENTS, table_columns.joined_rows(joined))
        counts = Counter(joined["session_id"].to_pylist())
        adopted = [
            {**row, "waiting": counts[row["session_id"]]}
            for row in sessions.to_pylist()
            if counts[row["session_id"]]
        ]
        return pa.Table.from_pylist(adopted, schema=ADOPTED)

    def waiting_portion(self, after: Key) -> Portion | None:
        keys = sorted((id_, event) for id_, event in self.tables[table_columns.UNJOINED])
        keys = [key for key in keys if key > after][: self._events_at_once]
        if not keys:
            return None
        return Portion(after, keys[-1], is_last=len(keys) < self._events_at_once)

    def adopt_waiting(self, portion: Portion) -> pa.Table:
        waiting = self.tables[table_columns.UNJOINED].items()
        events = [row for key, row in waiting if portion.after < key <= portion.last]
        stored = [
            {**row, "object_ids": row["search_results.object_id"]}
            for row in self.tables[table_columns.SESSIONS].values()
            if portion.after[0] <= row["session_id"] <= portion.last[0]
            and session_hash(row["session_id"]) not in self.erased_sessions
        ]
        return self._adopt(events, pa.Table.from_pylist(stored, schema=KNOWN))

    def unjoin(self, sessions: pa.Table) -> None:
        ids = set(sessions["session_id"].to_pylist())
        stored = self.tables[table_columns.EVENTS]
        for key in [key for key in stored if key[1] in ids]:
            if key[1:] in self.tables[table_columns.UNJOINED]:
                del stored[key]

    def delete_adopted(self, adopted: pa.Table, portion: Portion | None = None) -> None:
        ids = set(adopted["session_id"].to_pylist())
        joined = {
            (event["session_id"], event["event_id"]): event["version"]
            for event in self.tables[table_columns.EVENTS].values()
            if event["session_id"] in ids
        }
        waiting = self.tables[table_columns.UNJOINED]
        for key in [key for key, row in waiting.items() if row["version"] <= joined.get(key, -1)]:
            if portion is None or portion.after < key <= portion.last:
                del waiting[key]

    def refresh_facts(self, touched: pa.Table) -> None:
        self.store_facts(self.facts_of(touched))

    def facts_of(self, touched: pa.Table) -> list[Row]:
        """The rows that a refresh would write now; one that reads now may write later.

        What a session showed is read from its facts, unless it was just posted.
        """
        posted = {row["session_id"]: row["is_posted"] for row in touched.to_pylist()}
        facts = self.tables[table_columns.FACTS]
        return [
            self._facts(row if posted[row["session_id"]] or key not in facts else facts[key]["of"])
            for key, row in self.tables[table_columns.SESSIONS].items()
            if row["session_id"] in posted
            and session_hash(row["session_id"]) not in self.erased_sessions
        ]

    def store_facts(self, rows: Sequence[Row]) -> None:
        stored = self.tables[table_columns.FACTS]
        for row in rows:
            key = (row["session_day"], row["session_id"])
            if key not in stored or row["version"] >= stored[key]["version"]:
                stored[key] = row

    def _facts(self, session: Row) -> Row:
        events = [
            row
            for row in self.tables[table_columns.EVENTS].values()
            if row["session_id"] == session["session_id"]
        ]
        mark = self.tables[table_columns.MARKS].get((session["session_id"],))
        positions = [e["position"] for e in events if e["event_type"] == "click" and e["position"]]
        return {
            "of": session,
            "session_day": session["session_day"],
            "session_id": session["session_id"],
            "is_irrelevant": mark is not None and mark["is_irrelevant"],
            "results": len(session["search_results.object_id"]),
            "events": len(events),
            "clicks": sum(event["event_type"] == "click" for event in events),
            "unlisted_events": sum(event["position"] == 0 for event in events),
            "min_clicked_position": min(positions, default=0),
            "version": (session["version"] << 128)
            + sum(event["version"] for event in events)
            + (mark["version"] + 1 if mark else 0),
        }

    def facts_progress(self, topics: Iterable[str]) -> Mapping[Partition, int]:
        wanted = set(topics)
        return {each: offset for each, offset in self.noted.items() if each.topic in wanted}

    def missing_facts(
        self, sessions: Mapping[int, int], events: Mapping[int, int]
    ) -> Sequence[FactsPortion]:
        beyond = {
            row["session_id"]
            for table, positions in (
                (table_columns.SESSIONS, sessions),
                (table_columns.EVENTS, events),
            )
            for row in self.tables[table].values()
            if row["kafka_offset"] >= positions.get(row["kafka_partition"], 2**63)
        }
        return [FactsPortion(date(1970, 1, 1), 0, 1, {"ids": beyond})] if beyond else []

    def refresh_missing_facts(self, portion: FactsPortion) -> None:
        ids = list(portion.beyond["ids"])
        self.store_facts(self.facts_of(pa.table({"session_id": ids, "is_posted": [1] * len(ids)})))

    def note_facts_progress(self, reached: Mapping[Partition, int], epoch: int) -> None:
        assert epoch == 0
        for partition, offset in reached.items():
            self.noted[partition] = max(offset, self.noted.get(partition, 0))


def clean_up(sink: Sink) -> None:
    """What the owner of the clean-up does, all of it: adopt what waits, then delete it."""
    after = BEFORE_ALL
    while (portion := sink.waiting_portion(after)) is not None:
        adopted = sink.adopt_waiting(portion)
        sink.refresh_facts(touched(adopted, "created_at", is_posted=False))
        sink.delete_adopted(adopted, portion)
        after = portion.last
