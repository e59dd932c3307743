"""docs/metrics.md in plain Python over a log, quick enough for thousands of sessions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from tests.api.reference import Asked
from tests.stream_processors.reference import Reference

Numbers = dict[str, float | None]


@dataclass(frozen=True)
class Known:
    """A session and its events, each once, as (type, position); 0: not listed."""

    query: str
    user_id: str | None
    created_at: int
    listed: int
    is_irrelevant: bool
    events: list[tuple[str, int]] = field(default_factory=list)

    def goals(self, event_type: str) -> list[int]:
        """The positions of the events of this type."""
        return [position for type_, position in self.events if type_ == event_type]


def known(reference: Reference) -> list[Known]:
    """Every session of a log."""
    found, places = {}, {}
    for id_, record in reference.sessions.items():
        shown = [result["object_id"] for result in record["search_results"]]
        places[id_] = {object_id: n for n, object_id in reversed(list(enumerate(shown, 1)))}
        found[id_] = Known(
            record["search_query"],
            record.get("user_id"),
            record["created_at"],
            len(shown),
            reference.marks.get(id_, False),
        )
    for (id_, _), record in reference.events.items():
        if id_ in found:
            position = places[id_].get(record["object_id"], 0)
            found[id_].events.append((record["event_type"], position))
    return list(found.values())


def overview(sessions: Sequence[Known], asked: Asked) -> Numbers:
    of_range, chosen = _in_range(sessions, asked), _selected(sessions, asked)
    return {
        **_measures(chosen, asked),
        "users": len({each.user_id for each in chosen} - {None}),
        "events": sum(len(each.events) for each in chosen),
        "unlisted_events": sum(not place for each in chosen for _, place in each.events),
        "irrelevant_sessions": sum(each.is_irrelevant for each in of_range),
    }


def queries(sessions: Sequence[Known], asked: Asked) -> dict[str, Numbers]:
    by_query: dict[str, list[Known]] = defaultdict(list)
    for each in _selected(sessions, asked):
        by_query[each.query].append(each)
    return {query: _measures(some, asked) for query, some in by_query.items()}


def positions(sessions: Sequence[Known], asked: Asked) -> dict[int, Numbers]:
    chosen = _selected(sessions, asked)
    lengths = Counter(each.listed for each in chosen)
    longest = max(lengths, default=0)
    shown = list(accumulate(lengths[n] for n in range(longest, 0, -1)))[::-1]
    clicked = Counter(
        place for each in chosen for place in set(each.goals(asked.event_type)) if place
    )
    return {
        place: {
            "impressions": lists,
            "clicked_impressions": clicked[place],
            "position_ctr": clicked[place] / lists,
        }
        for place, lists in enumerate(shown, 1)
    }


def _in_range(sessions: Iterable[Known], asked: Asked) -> list[Known]:
    return [
        each
        for each in sessions
        if (asked.from_ms is None or each.created_at >= asked.from_ms)
        and (asked.to_ms is None or each.created_at < asked.to_ms)
    ]


def _selected(sessions: Iterable[Known], asked: Asked) -> list[Known]:
    wanted = {"exclude": {False}, "only": {True}, "include": {False, True}}[asked.relevance]
    return [each for each in _in_range(sessions, asked) if each.is_irrelevant in wanted]


def _measures(sessions: Sequence[Known], asked: Asked) -> Numbers:
    goals = [each.goals(asked.event_type) for each in sessions]
    smallest = [min((p for p in each if p), default=None) for each in goals]
    count = len(sessions)
    empty = sum(not each.listed for each in sessions)
    with_goal = sum(bool(each) for each in goals)
    return {
        "sessions": count,
        "zero_result_sessions": empty,
        "zero_result_rate": empty / count if count else None,
        "impressions": sum(each.listed for each in sessions),
        "clicks": sum(len(each) for each in goals),
        "sessions_with_click": with_goal,
        "session_ctr": with_goal / count if count else None,
        "mean_reciprocal_rank": sum(1 / p for p in smallest if p) / count if count else None,
    }
