"""What an export covers: a range of sessions, some of them, and what came between two watermarks.

The statements in `api/sql` name these conditions `$…`. `docs/decisions/0028-incremental-exports.md`
says why they are right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Final, TypeVar

from api.metrics.question import Filters
from api.metrics.sql import conditions
from api.queries import Query
from api.selection import Selection
from api.store import Value
from api.watermark import Cut

Row = TypeVar("Row")

# Versions of sessions and events fall as positions rise.
_TOP: Final = 2**64 - 1

_OVERLAP_MS: Final = 60_000
"""By how much clocks may differ, and how long the insert of an erasure may take, or the join of
events that waited."""

# A granule whose rows all came since may hide one that did not, of the same key.
_CUT_SETTINGS: Final[dict[str, str | int]] = {
    "use_skip_indexes_if_final": 0,
    "do_not_merge_across_partitions_select_final": 1,
    "max_bytes_before_external_sort": 200_000_000,
}

_OF_DAY: Final = "session_day = {session_day:Date}"
_OF_RANGE: Final = (
    "(session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')"
)


@dataclass(frozen=True, slots=True)
class Covered:
    """The sessions of an export. `cut`: None has whatever is stored when it is read."""

    selection: Selection
    cut: Cut | None = None
    filters: Filters = field(default_factory=Filters)

    @property
    def is_change(self) -> bool:
        """Whether it has what came since a watermark alone."""
        return self.cut is not None and not self.cut.is_whole

    def lines(self, query: Query[Row], *, with_events: bool = True) -> Query[Row]:
        """A statement about some sessions of one day, by their ids."""
        changed = self._changed(with_events=with_events)
        return self._filled(
            query,
            sessions=[*self._below("sessions"), *changed, *self._filtered(_OF_DAY)],
            some=[*changed, *self._filtered(_OF_DAY)],
            events=self._below("events"),
            order="session_id",
        )

    def sessions_table(self, query: Query[Row]) -> Query[Row]:
        """A row for each session."""
        changed = self._changed(with_events=False)
        return self._filled(
            query,
            sessions=[*self._below("sessions"), *changed, *self._filtered(_OF_RANGE)],
            order="session_day, session_id",
        )

    def events_table(self, query: Query[Row]) -> Query[Row]:
        """A row for each event."""
        events = self._filtered(_OF_RANGE)
        if self.cut is not None:
            events += self._below("events")
            later = f"NOT {_below_condition('sessions')}"
            events.append(f"session_id NOT IN ({_sessions(later)})")
        if self.is_change:
            came = (
                _EVENT_CAME,
                f"session_id IN ({_sessions(_SESSION_CAME)})",
                _MARKED_SINCE,
                _JOINED_LATE,
            )
            events.append(_any(came))
        return self._filled(query, events=events, order="session_day, session_id, event_id")

    def changed_days(self, query: Query[Row]) -> Query[Row]:
        """The days of what came since."""
        return self._filled(
            query,
            session_came=[_SESSION_CAME],
            event_came=[_EVENT_CAME],
            mark_came=[_MARK_CAME],
            joined_late=[_NOTED],
        )

    def removals(self, query: Query[Row]) -> Query[Row]:
        """A row for each session that an earlier export had and this one has no longer."""
        return self._filled(
            query,
            session_came=[_SESSION_CAME],
            mark_came=[_MARK_CAME],
            known=self._below("sessions"),
            filtered=self._filtered(_OF_RANGE),
            erased=[_ERASED],
        )

    def values(self) -> dict[str, Value]:
        """The parameters of all of them."""
        values: dict[str, Value] = dict(self.selection.parameters())
        conditions(self.filters, values)
        if self.cut is not None:
            values |= _positions(self.cut)
        return values

    def _below(self, topic: str) -> list[str]:
        return [] if self.cut is None else [_below_condition(topic)]

    def _changed(self, *, with_events: bool) -> list[str]:
        """Of a session: it came since, or was marked since, or has an event that came since, or
        that was joined since."""
        if not self.is_change:
            return []
        of_events = [_HAS_NEW_EVENT, _JOINED_LATE] if with_events else []
        return [_any((_SESSION_CAME, _MARKED_SINCE, *of_events))]

    def _filtered(self, days: str) -> list[str]:
        found = conditions(self.filters, {})
        if not found:
            return []
        where = " AND ".join([days, *found])
        return [
            f"session_id IN (SELECT session_id FROM session_facts FINAL WHERE {where})"  # noqa: S608 - fragments of ours
        ]

    def _filled(
        self, query: Query[Row], *, order: str = "", **conditions_: Sequence[str]
    ) -> Query[Row]:
        text = query.sql
        for name, found in conditions_.items():
            text = text.replace(f"${name}", " AND ".join(found) or "true")
        is_ordered = self.cut is not None and order
        text = text.replace("$order", f"ORDER BY {order}" if is_ordered else "")
        settings: Mapping[str, str | int] = query.settings
        if self.cut is not None:
            settings = {**_CUT_SETTINGS, **settings}
        return replace(query, text=text, settings=settings)


def _below_condition(topic: str) -> str:
    name = f"{{{topic}_until:Array(UInt64)}}"
    return f"(kafka_partition < length({name}) AND version > {name}[kafka_partition + 1])"


def _came(topic: str) -> str:
    """At or beyond the watermark, which has all partitions of the other one. The second condition
    is for the index."""
    name = f"{topic}_after"
    return (
        f"(version <= {{{name}:Array(UInt64)}}[kafka_partition + 1]"
        f" AND version <= {{most_{name}:UInt64}})"
    )


def _any(found: Sequence[str]) -> str:
    return f"({' OR '.join(found)})"


def _sessions(condition: str) -> str:
    """Sessions whose first post, which counts, satisfies this. A later post may do so as well."""
    some = f"SELECT session_id FROM sessions WHERE {condition}"  # noqa: S608 - fragments of ours
    return f"SELECT session_id FROM sessions FINAL WHERE session_id IN ({some}) AND {condition}"  # noqa: S608 - fragments of ours


_SESSION_CAME: Final = _came("sessions")
_EVENT_CAME: Final = _came("events")
_MARK_CAME: Final = (
    "(version >= {marks_after:Array(UInt64)}[kafka_partition + 1]"
    " AND version < {marks_until:Array(UInt64)}[kafka_partition + 1])"
)
_MARKED_SINCE: Final = (
    f"session_id IN (SELECT session_id FROM session_marks FINAL WHERE {_MARK_CAME})"  # noqa: S608 - fragments of ours
)
_HAS_NEW_EVENT: Final = f"""session_id IN (
    SELECT session_id FROM events FINAL
    PREWHERE (session_hour, session_hash) IN (
        SELECT session_hour, session_hash FROM events WHERE {_OF_DAY} AND {_EVENT_CAME}
    )
    WHERE {_OF_DAY} AND {_EVENT_CAME} AND {_below_condition("events")}
)"""  # noqa: S608 - fragments of ours


def _in_time(column: str) -> str:
    return (
        f"({column} > fromUnixTimestamp64Milli({{clock_after:Int64}}, 'UTC')"
        f" AND {column} <= fromUnixTimestamp64Milli({{clock_until:Int64}}, 'UTC'))"
    )


_ERASED: Final = _in_time("erased_at")
_NOTED: Final = _in_time("noted_at")
_JOINED_LATE: Final = (
    f"sipHash64(session_id) IN (SELECT session_hash FROM late_joins WHERE {_NOTED})"  # noqa: S608 - fragments of ours
)


def _positions(cut: Cut) -> dict[str, Value]:
    after, until = cut.after, cut.until
    values: dict[str, Value] = {
        "marks_after": _padded(after.marks if after else (), until.marks),
        "marks_until": list(until.marks),
        "clock_after": max(0, (after.at_ms if after else 0) - _OVERLAP_MS),
        "clock_until": until.at_ms,
    }
    for topic, begin, end in (
        ("sessions", after.sessions if after else (), until.sessions),
        ("events", after.events if after else (), until.events),
    ):
        versions = [_TOP - position for position in _padded(begin, end)]
        values[f"{topic}_after"] = versions
        values[f"most_{topic}_after"] = max(versions, default=0)
        values[f"{topic}_until"] = [_TOP - position for position in end]
    return values


def _padded(begin: Sequence[int], end: Sequence[int]) -> list[int]:
    """Of every partition of `end`; 0 of those that `begin` lacks."""
    return [position for position, _ in zip_longest(begin, end, fillvalue=0)]
