"""Keeps `session_facts`: one row per session, recomputed inside ClickHouse when something of the
session has changed. docs/decisions/0021-facts-by-key.md has the argument.

A statement that is repeated, or that comes late, writes the same row or an older one: the version
of a row has the version of the session, and below it the sum of the versions of the other rows that
it was computed from. So it rises with content alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from core.errors import StatementRefused
from core.kafka.partitions import Partition
from stream_processors.write.declared_paths import (
    LONGEST_VALUE,
    dimensions,
    event_value,
    result_dimensions,
)
from stream_processors.write.refused_rows import write_all_but_refused
from stream_processors.write.sink import TOUCHED, FactsPortion
from stream_processors.write.statements import Statements, in_halves

log = logging.getLogger(__name__)

_HOUR_MS: Final = 3_600_000

# Sessions in one statement: some tens of megabytes of ClickHouse's memory with typical events.
_SESSIONS_AT_ONCE: Final = 20_000
# Sessions that are read in one portion when facts are missing.
_PORTION: Final = 50_000
# Events of a session that are kept with their time; of all others only the number of each type is.
_MOST_EVENTS: Final = 1_000

# An event as one number: what orders it (time, then the first eight bytes of its id), position,
# whether it has a value, the value, and room for the number of its type. The first thousand numbers
# of a group cost an eighth of what the first thousand tuples cost. Times are those of DateTime64:
# 48 bits hold them.
_LEAST_MS: Final = 2**47
_PACKED: Final = f"""bitShiftLeft(toUInt256(after_ms + {_LEAST_MS}), 208)
                    + bitShiftLeft(toUInt256(
                        byteSwap(reinterpretAsUInt64(substring(event_id, 1, 8)))), 144)
                    + bitShiftLeft(toUInt256(position), 128)
                    + bitShiftLeft(toUInt256(isNotNull(value)), 96)
                    + bitShiftLeft(toUInt256(reinterpretAsUInt64(ifNull(value, 0))), 32)"""
_AFTER_MS: Final = f"toInt64(bitShiftRight(event, 208)) - {_LEAST_MS}"
_POSITION: Final = "toUInt16(bitShiftRight(event, 128))"
_VALUE: Final = """if(toUInt8(bitShiftRight(event, 96)) = 1,
        toNullable(reinterpretAsInt64(toUInt64(bitShiftRight(event, 32)))), NULL)"""
_TYPE: Final = "types.1[toUInt32(event)]"

_OF_SESSION: Final = (
    "session_id, session_day, session_hour, session_hash, created_at, received_at,"
    " search_query, user_id, user_hash, variants, dimensions, sort_field, result_ids, result_teams,"
    " result_dimension_sets, results, session_version"
)

# Of `search_meta`, the fields that the parameter names and that have a value.
_VARIANTS: Final = f"""CAST(mapFilter(
            (field, variant) -> variant != '' AND length(variant) <= {LONGEST_VALUE},
            mapFromArrays({{variant_fields:Array(String)}}, arrayMap(
                field -> JSONExtract(ifNull(search_meta, ''), field, 'String'),
                {{variant_fields:Array(String)}}))
        ), 'Map(String, String)')"""

# What a session showed never changes, so it is read from the facts, where sessions of one time lie
# together. From `sessions` it is read when the session was just posted, or has no facts.
#
# A session that is being erased is left out. The erasure waits for inserts that began before its
# record was written, and deletes what they wrote; those that begin later see the record.
_REFRESH: Final = f"""
INSERT INTO session_facts
(
    {_OF_SESSION},
    type_names, type_counts, type_unlisted, type_positions_masks, type_positions_over_64,
    type_first_ms, type_value_counts, type_values,
    is_irrelevant, events, unlisted_events,
    clicks, unlisted_clicks, clicks_with_value, click_values, min_clicked_position,
    clicked_positions_mask, clicked_positions_over_64, first_click_ms, last_event_ms, event_types,
    event_positions, event_after_ms, event_values, version
)
WITH
    shown AS
    (
        SELECT {_OF_SESSION}
        FROM session_facts FINAL
        PREWHERE (session_hour, session_hash) IN
            (SELECT session_hour, sipHash64(session_id) FROM touched)
        WHERE session_day IN (SELECT session_day FROM touched)
            AND (session_day, session_id) IN
                (SELECT session_day, session_id FROM touched WHERE NOT is_posted)
    ),
    interactions AS
    (
        SELECT
            session_day, session_id,
            sum(number) AS events,
            -- One of each type, in the order of their names.
            arraySort(groupArray((
                toString(event_type), toUInt32(number), toUInt32(unlisted), mask, over_64, first_ms,
                toUInt32(with_value), value_sum, first_events
            ))) AS types,
            sum(unlisted) AS all_unlisted,
            max(last_ms) AS all_last_ms,
            arraySlice(arraySort(arrayFlatten(arrayMap(
                (type, number) -> arrayMap(event -> event + number, type.9),
                types, arrayEnumerate(types)
            ))), 1, {_MOST_EVENTS}) AS timeline,
            sum(type_versions) AS versions
        FROM
        (
            SELECT
                session_day, session_id, event_type,
                count() AS number,
                countIf(position = 0) AS unlisted,
                groupBitOrIf(
                    bitShiftLeft(toUInt64(1), toUInt8(position - 1)), position BETWEEN 1 AND 64
                ) AS mask,
                arraySort(groupUniqArrayIf(position, position > 64)) AS over_64,
                min(after_ms) AS first_ms,
                max(after_ms) AS last_ms,
                countIf(isNotNull(value)) AS with_value,
                sum(ifNull(value, 0)) AS value_sum,
                groupArraySorted({_MOST_EVENTS})(
                    {_PACKED}
                ) AS first_events,
                sum(toUInt128(version)) AS type_versions
            FROM
            (
                SELECT
                    session_day, session_id, event_id, event_type, position, version,
                    $event_value AS value,
                    toUnixTimestamp64Milli(created_at)
                        - toUnixTimestamp64Milli(session_created_at) AS after_ms
                FROM events FINAL
                PREWHERE (session_hour, session_hash) IN
                    (SELECT session_hour, sipHash64(session_id) FROM touched)
                WHERE session_day IN (SELECT session_day FROM touched)
                    AND session_id IN (SELECT session_id FROM touched)
            )
            GROUP BY session_day, session_id, event_type
        )
        GROUP BY session_day, session_id
    ),
    marks AS
    (
        SELECT session_id, is_irrelevant, toUInt128(version) + 1 AS mark_version
        FROM session_marks FINAL
        WHERE session_id IN (SELECT session_id FROM touched)
    ),
    erased AS
    (
        SELECT session_hash FROM erased_sessions
        WHERE session_hash IN (SELECT substring(SHA256(session_id), 1, 16) FROM touched)
    ),
    types[indexOf(types.1, 'click')] AS of_clicks
SELECT
    session.*,
    types.1, types.2, types.3, types.4, types.5, types.6,
    if(arraySum(types.7) > 0, types.7, []), if(arraySum(types.7) > 0, types.8, []),
    marks.is_irrelevant, interactions.events, all_unlisted,
    of_clicks.2, of_clicks.3, of_clicks.7, of_clicks.8,
    if(of_clicks.4 > 0, bitCount(bitXor(of_clicks.4, of_clicks.4 - 1)), of_clicks.5[1]),
    of_clicks.4, of_clicks.5,
    if(of_clicks.2 > 0, toNullable(of_clicks.6), NULL),
    if(interactions.events > 0, toNullable(all_last_ms), NULL),
    arrayMap(event -> {_TYPE}, timeline),
    arrayMap(event -> {_POSITION}, timeline),
    arrayMap(event -> {_AFTER_MS}, timeline),
    arrayMap(event -> {_VALUE}, arrayFilter(event -> $has_values, timeline)),
    bitShiftLeft(toUInt256(session_version), 128) + interactions.versions + marks.mark_version
FROM
(
    SELECT * FROM shown
    UNION ALL
    SELECT
        session_id, session_day,
        toInt32(intDiv(toUnixTimestamp64Milli(created_at), {_HOUR_MS})) AS session_hour,
        sipHash64(session_id) AS session_hash, created_at, received_at, search_query, user_id,
        if(isNull(user_id), toUInt64(0), sipHash64(assumeNotNull(user_id))) AS user_hash,
        {_VARIANTS} AS variants,
        $dimensions AS dimensions,
        JSONExtract(ifNull(sort_by, ''), 'field', 'String') AS sort_field,
        `search_results.object_id` AS result_ids,
        result_teams,
        $result_dimensions AS result_dimension_sets,
        toUInt32(length(`search_results.object_id`)) AS results,
        version AS session_version
    FROM sessions FINAL
    PREWHERE session_id IN
    (
        SELECT session_id FROM touched
        WHERE (session_day, session_id) NOT IN (SELECT session_day, session_id FROM shown)
    )
    WHERE session_day IN (SELECT session_day FROM touched)
) AS session
LEFT JOIN interactions
    ON interactions.session_id = session.session_id
    AND interactions.session_day = session.session_day
LEFT JOIN marks ON marks.session_id = session.session_id
WHERE substring(SHA256(session.session_id), 1, 16) NOT IN (SELECT session_hash FROM erased)
SETTINGS do_not_merge_across_partitions_select_final = 1, join_use_nulls = 0, max_threads = 1,
    max_insert_threads = 1, max_partitions_per_insert_block = 0,
    optimize_functions_to_subcolumns = 1
"""  # noqa: S608 - our own names

_PROGRESS: Final = """
SELECT topic, partition, max(bitShiftLeft(toUInt64(epoch), 48) + offset) AS position
FROM facts_progress
WHERE topic IN {topics:Array(String)}
GROUP BY topic, partition
"""
_PROGRESS_COLUMNS: Final = pa.schema(
    [
        pa.field("topic", pa.string()),
        pa.field("partition", pa.uint32()),
        pa.field("position", pa.uint64()),
    ]
)


# Versions fall as offsets rise. Beyond the end of an array ClickHouse reads 0.
def _beyond(name: str) -> str:
    """Rows of partitions beyond the positions that two parameters name. The second is the largest
    of the first: it tells the index which granules to leave out."""
    return (
        f"version <= {{{name}:Array(UInt64)}}[kafka_partition + 1]"
        f" AND version <= {{most_{name}:UInt64}}"
    )


_ROWS_BEYOND: Final = f"""
SELECT session_day, sum(number) AS rows
FROM
(
    SELECT session_day, count() AS number FROM sessions
    WHERE {_beyond("sessions")} GROUP BY session_day
    UNION ALL
    SELECT session_day, count() AS number FROM events
    WHERE {_beyond("events")} GROUP BY session_day
)
GROUP BY session_day
ORDER BY session_day DESC
"""  # noqa: S608 - our own names
_ROWS_COLUMNS: Final = pa.schema(
    [pa.field("session_day", pa.date32()), pa.field("rows", pa.uint64())]
)

# In which of so many portions of its day a session is: `pieces` of each hour, in the order of the
# facts and of the events, so that a portion is one range of both.
_PORTION_OF: Final = """intDiv({of:UInt32} * (
            positiveModulo(session_hour, 24) * {pieces:UInt32}
            + bitShiftRight(bitShiftRight(session_hash, 32) * {pieces:UInt32}, 32)
        ), 24 * {pieces:UInt32})"""
_TOUCHED_BEYOND: Final = f"""
SELECT DISTINCT session_id, session_day, session_hour, toUInt8(1) AS is_posted
FROM
(
    SELECT
        session_id, session_day,
        toInt32(intDiv(toUnixTimestamp64Milli(created_at), {_HOUR_MS})) AS session_hour,
        sipHash64(session_id) AS session_hash
    FROM sessions
    WHERE session_day = {{day:Date}} AND {_beyond("sessions")}
        AND {_PORTION_OF} = {{number:UInt32}}
    UNION ALL
    SELECT session_id, session_day, session_hour, session_hash
    FROM events
    WHERE session_day = {{day:Date}} AND {_beyond("events")}
        AND {_PORTION_OF} = {{number:UInt32}}
)
"""  # noqa: S608 - our own names

_NOTE: Final = """
INSERT INTO facts_progress (topic, partition, epoch, offset)
SELECT noted.1, noted.2, {epoch:UInt16}, noted.3
FROM (SELECT arrayJoin(arrayZip(
    {topics:Array(String)}, {partitions:Array(UInt32)}, {offsets:Array(UInt64)})) AS noted)
"""

_MOST_VERSION: Final = 2**64 - 1


class FactsTable:
    """What `Sink` promises of facts. Blocks; raises SinkUnavailable."""

    def __init__(
        self,
        statements: Statements,
        variant_fields: Sequence[str] = (),
        dimension_paths: Sequence[str] = (),
        event_value_path: str = "",
    ) -> None:
        """`variant_fields` of search_meta name the variants of experiments. `dimension_paths` and
        `event_value_path` are settings of the same names."""
        self._statements = statements
        declared, of_results = dimensions(dimension_paths), result_dimensions(dimension_paths)
        value = event_value(event_value_path)
        self._refresh_sql = (
            _REFRESH.replace("$dimensions", declared.sql)
            .replace("$result_dimensions", of_results.sql)
            .replace("$event_value", value.sql)
            .replace("$has_values", "1" if event_value_path else "0")
        )
        self._parameters = {
            "variant_fields": list(variant_fields),
            **declared.parameters,
            **of_results.parameters,
            **value.parameters,
        }

    def refresh(self, touched: pa.Table) -> None:
        """See `Sink.refresh_facts`."""
        # Those of one hour next to each other: a statement then reads few ranges of events.
        rows = touched.sort_by([("session_day", "ascending"), ("session_hour", "ascending")])
        firsts = range(0, rows.num_rows, _SESSIONS_AT_ONCE)
        portions = [rows.slice(first, _SESSIONS_AT_ONCE) for first in firsts]
        try:
            refused = write_all_but_refused(portions, self._refresh_in_halves)
        except StatementRefused:
            # A session that stands alone, as in a flush of a mark, or a statement that is refused
            # whatever it is asked: then it is refused for no session as well.
            portions.insert(0, TOUCHED.empty_table())
            refused = write_all_but_refused(portions, self._refresh_in_halves)
        for row, error in refused:
            log.error(
                "the facts of session %r stay as they are: %s", row["session_id"][0].as_py(), error
            )

    def _refresh_in_halves(self, touched: pa.Table) -> None:
        in_halves(touched, self._refresh)

    def _refresh(self, touched: pa.Table) -> None:
        self._statements.run(self._refresh_sql, self._parameters, touched=touched.combine_chunks())

    def progress(self, topics: Iterable[str]) -> dict[Partition, int]:
        """Epoch and offset of each, as `OFFSET_BITS` packs them."""
        found = self._statements.select(_PROGRESS, _PROGRESS_COLUMNS, {"topics": list(topics)})
        return {
            Partition(row["topic"], row["partition"]): row["position"] for row in found.to_pylist()
        }

    def missing(
        self, sessions: Mapping[int, int], events: Mapping[int, int]
    ) -> Sequence[FactsPortion]:
        """See `Sink.missing_facts`."""
        beyond = {**_versions("sessions", sessions), **_versions("events", events)}
        found = self._statements.select(_ROWS_BEYOND, _ROWS_COLUMNS, beyond)
        portions = []
        for row in found.to_pylist():
            of = -(-row["rows"] // _PORTION)
            portions += [
                FactsPortion(row["session_day"], number, of, beyond) for number in range(of)
            ]
        return portions

    def refresh_portion(self, portion: FactsPortion) -> None:
        """See `Sink.refresh_missing_facts`."""
        parameters = {
            **portion.beyond, "day": portion.day, "number": portion.number, "of": portion.of,
            "pieces": -(-portion.of // 24),
        }  # fmt: skip
        self.refresh(self._statements.select(_TOUCHED_BEYOND, TOUCHED, parameters))

    def note(self, reached: Mapping[Partition, int], epoch: int) -> None:
        """See `Sink.note_facts_progress`."""
        parameters = {
            "epoch": epoch,
            "topics": [partition.topic for partition in reached],
            "partitions": [partition.partition for partition in reached],
            "offsets": list(reached.values()),
        }
        self._statements.run(_NOTE, parameters)


def touched(sessions: pa.Table, created_at: str, *, is_posted: bool) -> pa.Table:
    """Rows with session_id, session_day and this column of their session's created_at → the
    sessions that they name (`TOUCHED`), each once."""
    millis = sessions[created_at].cast(pa.int64()).to_numpy()
    # As intDiv of ClickHouse does it: towards 0.
    hours = (np.sign(millis) * (np.abs(millis) // _HOUR_MS)).astype(np.int32)
    named = pa.table(
        {
            "session_id": sessions["session_id"],
            "session_day": sessions["session_day"],
            "session_hour": pa.array(hours),
        }
    )
    distinct = named.group_by(named.schema.names, use_threads=False).aggregate([])
    posted = pa.array(np.full(distinct.num_rows, is_posted, dtype=np.uint8))
    return distinct.append_column("is_posted", posted).select(TOUCHED.names).cast(TOUCHED)


def once_each(touched_: pa.Table) -> pa.Table:
    """Each session once; posted when one of its rows says so."""
    keys = ["session_id", "session_day", "session_hour"]
    merged = touched_.group_by(keys, use_threads=False).aggregate([("is_posted", "max")])
    names = [*keys, "is_posted"]
    return merged.select([*keys, "is_posted_max"]).rename_columns(names).cast(TOUCHED)


def _versions(name: str, positions: Mapping[int, int]) -> dict[str, object]:
    """Of each partition the highest version that is beyond; 0, which no row has, of others."""
    versions = [0] * (max(positions, default=-1) + 1)
    for partition, position in positions.items():
        versions[partition] = _MOST_VERSION - position
    return {name: versions, f"most_{name}": max(versions, default=0)}
