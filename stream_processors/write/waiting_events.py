"""Waiting events → joined events, inside ClickHouse. No event comes to us, whatever their number.

Every statement is bounded: by the sessions, by the results in their lists, and by the events. It
names these in the order of the table, so that nothing else is read. A statement that is repeated
writes the same rows under the same keys and versions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.clickhouse.id_batches import id_batches
from core.errors import StatementRefused
from stream_processors.join import table_columns
from stream_processors.join.join import anti_join, exploded_lists
from stream_processors.write.refused_rows import write_all_but_refused
from stream_processors.write.sink import ADOPTED, Adoption, Key, Portion
from stream_processors.write.statements import Statements, in_halves

log = logging.getLogger(__name__)

FindSessions = Callable[[pa.Array], pa.Table]

# Sessions named in one statement, results in their lists, and events that one statement reads or
# writes: 100 MB of ClickHouse's memory with the longest ids.
_SESSIONS_AT_ONCE: Final = 50_000
_RESULTS_AT_ONCE: Final = 100_000
_EVENTS_AT_ONCE: Final = 200_000

# Sessions whose events one clean-up deletes: each 1,000 of them are a mutation. The others are left
# to the next clean-up.
_DELETED_AT_ONCE: Final = 10_000

_COUNT_WAITING = """
SELECT session_id, count() AS waiting
FROM unjoined_events WHERE session_id IN (SELECT session_id FROM named)
GROUP BY session_id
"""

# An event that was delivered twice, and is not merged yet, is one.
_COUNT_BEFORE = """
SELECT asked.number AS number, uniqExact(waiting.event_id) AS waiting
FROM (
    SELECT session_id, event_id, version FROM unjoined_events
    WHERE session_id IN (SELECT session_id FROM asked)
) AS waiting
INNER JOIN asked ON asked.session_id = waiting.session_id
WHERE waiting.version > asked.version
GROUP BY number
"""

# In the order of the table, so that only this part of it is read.
_NEXT_PORTION = """
SELECT count() AS waiting, max((session_id, event_id)).1 AS last_session,
    max((session_id, event_id)).2 AS last_event
FROM (
    SELECT session_id, event_id FROM unjoined_events
    WHERE session_id >= {after_session:String}
        AND (session_id > {after_session:String} OR event_id > {after_event:String})
    ORDER BY session_id, event_id
    LIMIT {most:UInt64}
)
SETTINGS optimize_read_in_order = 1, max_threads = 1
"""

# What is in a portion. Of tuples that are compared, ClickHouse's index uses less.
_WITHIN = """
    session_id >= {after_session:String} AND session_id <= {last_session:String}
    AND (session_id > {after_session:String} OR event_id > {after_event:String})
    AND (session_id < {last_session:String} OR event_id <= {last_event:String})
"""

# Sessions that are being erased are left out: an erasure waits only for the inserts that began
# before it.
_COUNT_ADOPTABLE = f"""
SELECT session_id, count() AS waiting
FROM unjoined_events
WHERE {_WITHIN}
    AND session_id IN (
        SELECT session_id FROM sessions
        WHERE session_id >= {{after_session:String}} AND session_id <= {{last_session:String}}
            AND session_id IN (SELECT session_id FROM unjoined_events WHERE {_WITHIN})
    )
    AND substring(SHA256(session_id), 1, 16) NOT IN (SELECT session_hash FROM erased_sessions)
GROUP BY session_id
"""  # noqa: S608 - our own condition

# The lists of stored sessions, as `exploded_lists` gives those of new ones.
_LISTED_IN_SESSIONS = """(
    SELECT session_id, object_id, toUInt16(min(place)) AS position
    FROM sessions
    ARRAY JOIN `search_results.object_id` AS object_id,
        arrayEnumerate(`search_results.object_id`) AS place
    PREWHERE session_id IN (SELECT session_id FROM stored)
        AND (session_id, version) IN (SELECT session_id, version FROM stored)
    WHERE session_day IN (SELECT session_day FROM stored)
    GROUP BY session_id, object_id
)"""

# Sessions of which an event is about to be joined that `events` lacks: both have been stored for
# some time, so neither is new to who asks for what came since (api/covered.py). Noted before: after
# a crash in between, the next attempt finds them lacking still.
_NOTE_LATE = """
INSERT INTO late_joins (session_hash, session_day)
SELECT DISTINCT sipHash64(waiting.session_id), stored.session_day
FROM (
    SELECT session_id, event_id FROM unjoined_events
    WHERE session_id IN (SELECT session_id FROM stored) AND {within}
) AS waiting
INNER JOIN stored ON stored.session_id = waiting.session_id
LEFT ANTI JOIN (
    SELECT session_id, event_id FROM events
    WHERE session_day IN (SELECT session_day FROM stored)
        AND session_hash IN (SELECT sipHash64(session_id) FROM stored)
        AND session_id IN (SELECT session_id FROM stored) AND {within}
) AS joined ON joined.session_id = waiting.session_id AND joined.event_id = waiting.event_id
SETTINGS max_threads = 1, max_insert_threads = 1, join_use_nulls = 0
"""

# As `join` does it. Small blocks: one thread, and an insert of 200,000 events at the most.
_ADOPT = f"""
INSERT INTO events ({", ".join(table_columns.EVENT_COLUMNS.names)})
SELECT
    {", ".join(f"waiting.{name}" for name in table_columns.UNJOINED_COLUMNS.names)},
    listed.position, stored.created_at, stored.session_day
FROM (
    SELECT {", ".join(table_columns.UNJOINED_COLUMNS.names)} FROM unjoined_events
    WHERE session_id IN (SELECT session_id FROM stored) AND {{within}}
) AS waiting
INNER JOIN stored ON stored.session_id = waiting.session_id
LEFT JOIN {{listed}} AS listed
    ON listed.session_id = waiting.session_id AND listed.object_id = waiting.object_id
SETTINGS max_partitions_per_insert_block = 0, max_threads = 1, max_insert_threads = 1,
    join_use_nulls = 0
"""  # noqa: S608 - names of our own columns

# Only what is in `events`: an event that is not there yet is late, and must not be lost. When an
# event has waited twice, only its first post is there: of the two, FINAL, an insert or a merge
# leaves one. Without FINAL, whatever the profile says, both posts are seen here.
_DELETE = """
DELETE FROM unjoined_events
WHERE session_id IN {ids:Array(String)} AND {within}
    AND (session_id, event_id, version) IN (
        SELECT session_id, event_id, version
        FROM unjoined_events
        INNER JOIN (
            SELECT session_id, event_id, max(version) AS first_post
            FROM events
            WHERE session_day IN {days:Array(Date)} AND session_id IN {ids:Array(String)}
                AND session_hash IN (SELECT sipHash64(arrayJoin({ids:Array(String)})))
                AND {within}
            GROUP BY session_id, event_id
        ) AS joined USING (session_id, event_id)
        WHERE session_id IN {ids:Array(String)} AND version <= first_post AND {within}
        SETTINGS final = 0
    )
"""

_UNFINISHED = """
SELECT count() AS mutations, countIf(latest_fail_reason != '') AS failing
FROM $mutations
WHERE database = {database:String} AND table = 'unjoined_events' AND NOT is_done
SETTINGS skip_unavailable_shards = 1
"""
_KILL_FAILING = """
KILL MUTATION WHERE database = {database:String} AND table = 'unjoined_events' AND NOT is_done
    AND latest_fail_reason != ''
"""

_WAITING = pa.schema([pa.field("session_id", pa.string()), pa.field("waiting", pa.uint64())])
_WAITING_BEFORE = pa.schema([pa.field("number", pa.uint32()), pa.field("waiting", pa.uint64())])
_NEXT = pa.schema(
    [
        pa.field("waiting", pa.uint64()),
        pa.field("last_session", pa.string()),
        pa.field("last_event", pa.string()),
    ]
)
_MUTATIONS = pa.schema([pa.field("mutations", pa.uint64()), pa.field("failing", pa.uint64())])


class WaitingEvents:
    """What `Sink` promises of events that wait. Blocks; raises SinkUnavailable."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def count(self, session_ids: pa.Array) -> pa.Table:
        """How many wait for each of these, if any do (session_id, waiting)."""
        named = pa.table({"session_id": session_ids})
        counted = [
            part
            for first in range(0, len(named), _SESSIONS_AT_ONCE)
            for part in in_halves(
                named.slice(first, _SESSIONS_AT_ONCE),
                lambda some: self._statements.select(_COUNT_WAITING, _WAITING, {}, named=some),
            )
        ]
        return table_columns.concat(counted, _WAITING)

    def count_before(self, asked: pa.Table) -> pa.Array:
        """See `plan.Lookups.count_waiting`."""
        numbers = pa.array(np.arange(asked.num_rows, dtype=np.uint32))
        asked = asked.append_column("number", numbers).combine_chunks()
        waiting = np.zeros(asked.num_rows, dtype=np.uint64)
        for part in in_halves(
            asked,
            lambda some: self._statements.select(_COUNT_BEFORE, _WAITING_BEFORE, {}, asked=some),
        ):
            waiting[part["number"].to_numpy()] = part["waiting"].to_numpy()
        return pa.array(waiting)

    def adopt(self, sessions: pa.Table) -> Adoption:
        """See `Sink.adopt`. Sessions for which more wait than one statement writes are left."""
        waiting = self.count(sessions["session_id"].combine_chunks())
        if not waiting.num_rows:
            return Adoption()
        rows = _counted(sessions, waiting)
        few = pc.less_equal(rows["waiting"], _EVENTS_AT_ONCE)
        left = rows.filter(pc.invert(few))["session_id"].to_pylist()
        rows = rows.filter(few)
        results = np.asarray(pc.list_value_length(rows["object_ids"]), dtype=np.int64)
        rows, refused = _adopt_most(rows, results, self._adopt_new)
        return Adoption(rows.select(ADOPTED.names).cast(ADOPTED), (*left, *refused))

    def adopt_portion(self, portion: Portion, find_sessions: FindSessions) -> pa.Table:
        """See `Sink.adopt_waiting`."""
        waiting = self._statements.select(_COUNT_ADOPTABLE, _WAITING, _bounds(portion))
        if not waiting.num_rows:
            return ADOPTED.empty_table()
        rows = _counted(find_sessions(waiting["session_id"].combine_chunks()), waiting)
        rows, _ = _adopt_most(
            rows,
            rows["results"].to_numpy().astype(np.int64),
            lambda some: self._adopt_late(some, portion),
        )
        return rows.select(ADOPTED.names).cast(ADOPTED)

    def next_portion(self, after: Key) -> Portion | None:
        """See `Sink.waiting_portion`."""
        parameters = {"after_session": after[0], "after_event": after[1], "most": _EVENTS_AT_ONCE}
        (found,) = self._statements.select(_NEXT_PORTION, _NEXT, parameters).to_pylist()
        if not found["waiting"]:
            return None
        last = found["last_session"], found["last_event"]
        return Portion(after, last, is_last=found["waiting"] < _EVENTS_AT_ONCE)

    def delete(self, adopted: pa.Table, portion: Portion | None = None) -> None:
        """See `Sink.delete_adopted`."""
        if not adopted.num_rows or not self._may_delete():
            return
        adopted = adopted.slice(0, _DELETED_AT_ONCE)
        days = {"days": adopted["session_day"].unique().to_pylist()}
        for part in _parts(adopted, np.zeros(adopted.num_rows, dtype=np.int64)):
            for ids in id_batches(part["session_id"].to_pylist()):
                parameters = {**days, **_bounds(portion), "ids": ids}
                self._statements.on_every_node(_bounded(_DELETE, portion), parameters)

    def _may_delete(self) -> bool:
        """Whether no deletion is under way. Those that fail are ended: ClickHouse would try them
        for ever, each time with all their memory."""
        layout = self._statements.layout
        query = _UNFINISHED.replace("$mutations", layout.all_nodes("system.mutations"))
        database = {"database": layout.shard_database}
        found = self._statements.select(query, _MUTATIONS, database).to_pylist()
        mutations, failing = found[0].values()
        if failing:
            log.warning("%d deletions of waiting events fail; they are ended", failing)
            self._statements.on_every_node(_KILL_FAILING, database)
        return not mutations

    def _adopt_new(self, sessions: pa.Table) -> None:
        self._adopt(sessions, "listed", None, listed=exploded_lists(sessions))

    def _adopt_late(self, sessions: pa.Table, portion: Portion) -> None:
        stored = sessions.select(["session_id", "session_day"])
        self._statements.run(_bounded(_NOTE_LATE, portion), _bounds(portion), stored=stored)
        self._adopt(sessions, _LISTED_IN_SESSIONS, portion)

    def _adopt(
        self, sessions: pa.Table, lists: str, portion: Portion | None, **tables: pa.Table
    ) -> None:
        stored = sessions.select(["session_id", "created_at", "session_day", "version"])
        statement = _bounded(_ADOPT, portion).replace("{listed}", lists)
        self._statements.run(statement, _bounds(portion), stored=stored, **tables)


def _counted(sessions: pa.Table, waiting: pa.Table) -> pa.Table:
    """The sessions for which events wait, with their number as column `waiting`."""
    at = pc.index_in(sessions["session_id"], value_set=waiting["session_id"].combine_chunks())
    kept = pc.is_valid(at)
    counts = waiting["waiting"].take(at.filter(kept))
    return sessions.filter(kept).append_column("waiting", counts)


def _adopt_most(
    sessions: pa.Table, results: npt.NDArray[np.int64], adopt: Callable[[pa.Table], None]
) -> tuple[pa.Table, list[str]]:
    """The sessions that adopted, and the ids of those of which `events` refuses an event, or all.
    Nothing is lost by that: their events go on waiting."""
    try:
        refused = write_all_but_refused(_parts(sessions, results), lambda p: in_halves(p, adopt))
        rows = pa.concat_tables([sessions.slice(0, 0), *(each.row for each in refused)])
        why = "; ".join({each.error for each in refused})
    except StatementRefused as error:
        rows, why = sessions, str(error)
    if not rows.num_rows:
        return sessions, []
    log.warning("what waits for %d sessions is not joined for now: %s", rows.num_rows, why)
    return anti_join(sessions, rows), rows["session_id"].to_pylist()


def _parts(sessions: pa.Table, results: npt.NDArray[np.int64]) -> Iterator[pa.Table]:
    """In parts with at most so many results and events each, or of one session."""
    events = sessions["waiting"].to_numpy().astype(np.int64)
    weight = np.maximum(results / _RESULTS_AT_ONCE, events / _EVENTS_AT_ONCE)
    parts = np.floor(np.cumsum(weight)).astype(np.int64)
    starts = np.flatnonzero(np.diff(parts, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(parts)][: len(starts)], strict=True):
        yield sessions.slice(int(start), int(end - start))


def _bounded(statement: str, portion: Portion | None) -> str:
    """The statement for the events of this portion alone, with parameters of `_bounds`."""
    return statement.replace("{within}", "true" if portion is None else _WITHIN)


def _bounds(portion: Portion | None) -> dict[str, str]:
    if portion is None:
        return {}
    names = "after_session", "after_event", "last_session", "last_event"
    return dict(zip(names, (*portion.after, *portion.last), strict=True))
