"""The rows of a release, as SQL: those below a watermark, whatever is stored meanwhile.

Sessions and events count when their offset is below the watermark. Of marks and erasures the last
word counts, however late it comes: what they take away is never in a release that is made later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from api.metrics.question import Filters
from api.metrics.sql import conditions
from api.releases.manifest import Order, Watermark
from api.selection import Relevance, Selection
from api.store import Value

MS_PER_HOUR: Final = 3_600_000
PORTION_SESSIONS: Final = 20_000
"""ClickHouse sorts so many sessions with their events at a time, or those of an hour."""

_OFFSET_BITS: Final = 48
_TOP: Final = 2**64 - 1

# As the key of events: rounded towards 0.
_HOUR: Final = "toInt32(intDiv(toUnixTimestamp64Milli(created_at), 3600000))"
_IN_RANGE: Final = """
    (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
    AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')"""
# Versions fall as offsets rise.
_IS_BELOW: Final = "version > {session_bounds:Array(UInt64)}[kafka_partition + 1]"
_IS_MARKED: Final = "session_id IN (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant)"
_IS_ERASED: Final = (
    "substring(SHA256(session_id), 1, 16) IN (SELECT session_hash FROM erased_sessions)"
)

# What of each hour is in the release, and what is not.
_HOURS: Final = f"""
SELECT
    {_HOUR} AS hour,
    countIf(NOT is_later AND NOT is_irrelevant AND is_asked) AS sessions,
    countIf(NOT is_later AND is_irrelevant) AS irrelevant,
    countIf(is_later) AS later,
    countIf(NOT is_later AND NOT is_irrelevant AND NOT is_asked) AS filtered_out
FROM
(
    SELECT
        created_at, NOT ({_IS_BELOW}) AS is_later, {_IS_MARKED} AS is_irrelevant,
        $asked AS is_asked
    FROM sessions FINAL
    WHERE {_IN_RANGE}
)
GROUP BY hour
ORDER BY hour
"""  # noqa: S608 - fragments of this module

_EVENTS: Final = (
    "Array(Tuple(event_id String, object_id String, event_type String, position Nullable(Int32),"
    r" created_at DateTime64(3, \'UTC\'), meta Nullable(String)))"
)

_SESSIONS: Final = f"""
WITH
sessions_of_portion AS
(
    SELECT *
    FROM sessions FINAL
    WHERE {_IN_RANGE}
        AND {_HOUR} BETWEEN {{from_hour:Int32}} AND {{to_hour:Int32}}
        AND {_IS_BELOW} AND NOT ({_IS_MARKED}) AND NOT ({_IS_ERASED}) AND $asked
),
events_of_portion AS
(
    SELECT
        session_id,
        -- By time, then in the order of arrival.
        arraySort(event -> (event.1, event.2), groupArray((
            created_at, {_TOP} - version,
            event_id, object_id, toString(event_type), position, meta
        ))) AS found
    FROM events FINAL
    WHERE (session_day BETWEEN {{from_day:Date}} AND {{to_day:Date}} OR session_day = '1970-01-01')
        AND session_hour BETWEEN {{from_hour:Int32}} AND {{to_hour:Int32}}
        AND version > {{event_bounds:Array(UInt64)}}[kafka_partition + 1]
    GROUP BY session_id
)
SELECT
    session_id,
    search_query,
    CAST(
        arrayZip(`search_results.object_id`, `search_results.rank`, `search_results.meta`),
        'Array(Tuple(object_id String, rank Nullable(Float64), meta Nullable(String)))'
    ) AS search_results,
    search_meta,
    payload_filter,
    sort_by,
    user_id,
    created_at,
    CAST(
        arrayMap(
            event -> (
                event.3, event.4, event.5, nullIf(toInt32(event.6), 0), event.1, event.7
            ),
            found
        ),
        '{_EVENTS}'
    ) AS events,
    reinterpretAsUInt64(substring(SHA256(session_id), 1, 8)) AS session_hash
FROM sessions_of_portion LEFT JOIN events_of_portion USING (session_id)
ORDER BY created_at, session_id
"""  # noqa: S608 - fragments of this module

_TOUCHED: Final = f"""
SELECT
    reinterpretAsUInt64(substring(SHA256(session_id), 1, 8)) AS hash,
    'mark' AS reason,
    toUnixTimestamp64Milli(created_at) AS created_ms
FROM sessions FINAL
WHERE {_IN_RANGE} AND {_IS_BELOW} AND session_id IN
(
    SELECT session_id FROM session_marks FINAL
    WHERE is_irrelevant AND version >= {{mark_bounds:Array(UInt64)}}[kafka_partition + 1]
)
UNION ALL
SELECT DISTINCT reinterpretAsUInt64(substring(session_hash, 1, 8)), 'erasure', 0
FROM erased_sessions
WHERE erased_at >= fromUnixTimestamp64Milli({{since_ms:Int64}}, 'UTC')
"""  # noqa: S608 - fragments of this module

NOW: Final = "SELECT toUnixTimestamp64Milli(now64(3))"

SETTINGS: Final[dict[str, str | int]] = {
    "final": 0,
    "max_execution_time": 0,
    "http_send_timeout": 3600,
    "max_threads_min_free_memory_per_thread": 0,
    "max_bytes_before_external_group_by": 300_000_000,
    "max_bytes_before_external_sort": 300_000_000,
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
    "output_format_arrow_compression_method": "lz4_frame",
}


@dataclass(frozen=True, slots=True)
class Portion:
    """Hours that are read with one query, both included."""

    from_hour: int
    to_hour: int


def hours(order: Order, watermark: Watermark) -> tuple[str, dict[str, Value]]:
    """Of each hour: hour, sessions, irrelevant, later, filtered_out."""
    values = _range_values(order.from_ms, order.to_ms) | _bounds(watermark)
    return _HOURS.replace("$asked", _asked(order, values)), values


def sessions(order: Order, watermark: Watermark, portion: Portion) -> tuple[str, dict[str, Value]]:
    """The sessions of a portion with their events, in the order of the release."""
    start, end = (portion.from_hour - 1) * MS_PER_HOUR, (portion.to_hour + 1) * MS_PER_HOUR
    values = _range_values(
        start if order.from_ms is None else max(start, order.from_ms),
        end + 1 if order.to_ms is None else min(end + 1, order.to_ms),
    )
    values |= {"from_hour": portion.from_hour, "to_hour": portion.to_hour}
    values |= _bounds(watermark)
    return _SESSIONS.replace("$asked", _asked(order, values)), values


def touched(order: Order, watermark: Watermark, since_ms: int) -> tuple[str, dict[str, Value]]:
    """The sessions that may be in a release and must not be any more: the first eight bytes of
    their SHA-256, the reason, and of marked ones created_at. A session that was marked below the
    watermark, or erased before `since_ms`, was never in it."""
    values = _range_values(order.from_ms, order.to_ms) | _bounds(watermark)
    marks = [watermark.epoch << _OFFSET_BITS | offset for offset in watermark.marks]
    return _TOUCHED, {**values, "mark_bounds": marks, "since_ms": since_ms}


def portions(counts: list[tuple[int, int]]) -> list[Portion]:
    """Hours with their sessions, in order → portions of `PORTION_SESSIONS` or a little more."""
    found: list[Portion] = []
    held = PORTION_SESSIONS
    for hour, count in counts:
        if held + count > PORTION_SESSIONS and held:
            found.append(Portion(hour, hour))
            held = 0
        else:
            found[-1] = Portion(found[-1].from_hour, hour)
        held += count
    return found


def _asked(order: Order, values: dict[str, Value]) -> str:
    """The filters, which facts know; these are there for every session below the watermark."""
    if not order.has_filters:
        return "1"
    filters = Filters(
        query=order.query,
        query_prefix=order.query_prefix,
        query_regex=order.query_regex,
        sort_field=order.sort_field,
        declared=order.dimensions,
    )
    found = " AND ".join(conditions(filters, values))
    return f"""session_id IN (
        SELECT session_id FROM session_facts FINAL
        WHERE (session_day BETWEEN {{from_day:Date}} AND {{to_day:Date}}
            OR session_day = '1970-01-01') AND {found}
    )"""  # noqa: S608 - fragments of this module


def _range_values(from_ms: int | None, to_ms: int | None) -> dict[str, Value]:
    values = Selection(from_ms, to_ms, Relevance.EXCLUDE).parameters()
    return {name: value for name, value in values.items() if name != "relevance"}


def _bounds(watermark: Watermark) -> dict[str, Value]:
    def above(offsets: tuple[int, ...]) -> list[int]:
        return [_TOP - (watermark.epoch << _OFFSET_BITS | offset) for offset in offsets]

    return {
        "session_bounds": above(watermark.sessions),
        "event_bounds": above(watermark.events),
    }
