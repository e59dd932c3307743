"""docs/metrics.md once more, in plain Python over stored rows: what ClickHouse must agree with."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from scipy.stats import binomtest

from tests.api.stored import Event, Search, World


@dataclass(frozen=True)
class Asked:
    """The parameters of a request."""

    from_ms: int | None = None
    to_ms: int | None = None
    relevance: str = "exclude"
    event_type: str = "click"

    def params(self) -> dict[str, str]:
        given = {
            "from": self.from_ms,
            "to": self.to_ms,
            "relevance": self.relevance,
            "event_type": self.event_type,
        }
        return {name: str(value) for name, value in given.items() if value is not None}

    def range(self) -> dict[str, object]:
        return {
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "relevance": self.relevance,
            "event_type": self.event_type,
        }


def sessions_once(world: World) -> list[Search]:
    first: dict[str, Search] = {}
    for search in world.searches:
        kept = first.get(search.session_id, search)
        first[search.session_id] = min(kept, search, key=lambda s: s.offset)
    return list(first.values())


def events_once(world: World, session_id: str) -> list[Event]:
    first: dict[str, Event] = {}
    for event in world.events:
        if event.search.session_id == session_id:
            kept = first.get(event.event_id, event)
            first[event.event_id] = min(kept, event, key=lambda e: e.offset)
    return list(first.values())


def is_irrelevant(world: World, session_id: str) -> bool:
    marks = [mark for mark in world.marks if mark.session_id == session_id]
    return bool(marks) and max(marks, key=lambda mark: mark.offset).is_irrelevant


def in_range(world: World, asked: Asked) -> list[Search]:
    return [
        search
        for search in sessions_once(world)
        if (asked.from_ms is None or search.created_at >= asked.from_ms)
        and (asked.to_ms is None or search.created_at < asked.to_ms)
    ]


def selected(world: World, asked: Asked) -> list[Search]:
    wanted = {"exclude": {False}, "only": {True}, "include": {False, True}}[asked.relevance]
    return [s for s in in_range(world, asked) if is_irrelevant(world, s.session_id) in wanted]


def overview(world: World, asked: Asked) -> dict[str, object]:
    searches = selected(world, asked)
    events = [event for s in searches for event in events_once(world, s.session_id)]
    return {
        "users": len({s.user_id for s in searches if s.user_id is not None}),
        **_measures(world, searches, asked),
        "events": len(events),
        "unlisted_events": sum(event.position == 0 for event in events),
        "irrelevant_sessions": sum(
            is_irrelevant(world, s.session_id) for s in in_range(world, asked)
        ),
        "unjoined_events": len(
            {(event.search.session_id, event.event_id) for event in world.unjoined}
        ),
        "dead_letters": 0,
    }


def queries(world: World, asked: Asked) -> list[dict[str, object]]:
    """Most searched first, then by text."""
    by_query: dict[str, list[Search]] = defaultdict(list)
    for search in selected(world, asked):
        by_query[search.query].append(search)
    rows = [
        {"search_query": query, **_measures(world, searches, asked)}
        for query, searches in by_query.items()
    ]
    return sorted(rows, key=lambda row: (-int(str(row["sessions"])), str(row["search_query"])))


def positions(world: World, asked: Asked) -> list[dict[str, object]]:
    searches = selected(world, asked)
    rows: list[dict[str, object]] = []
    for position in range(1, max((len(s.results) for s in searches), default=0) + 1):
        shown = [s for s in searches if len(s.results) >= position]
        clicked = [s for s in shown if position in _clicked_positions(world, s, asked)]
        rows.append(
            {
                "position": position,
                "impressions": len(shown),
                "clicked_impressions": len(clicked),
                **_rate("position_ctr", len(clicked), len(shown)),
            }
        )
    return rows


def _clicks(world: World, search: Search, asked: Asked) -> list[Event]:
    events = events_once(world, search.session_id)
    return [event for event in events if event.event_type == asked.event_type]


def _clicked_positions(world: World, search: Search, asked: Asked) -> set[int]:
    return {click.position for click in _clicks(world, search, asked)} - {0}


def _measures(world: World, searches: list[Search], asked: Asked) -> dict[str, object]:
    clicks = [_clicks(world, search, asked) for search in searches]
    places = [_clicked_positions(world, search, asked) for search in searches]
    zero = sum(not search.results for search in searches)
    with_click = sum(bool(each) for each in clicks)
    return {
        "sessions": len(searches),
        "zero_result_sessions": zero,
        **_rate("zero_result_rate", zero, len(searches)),
        "impressions": sum(len(search.results) for search in searches),
        "clicks": sum(len(each) for each in clicks),
        "sessions_with_click": with_click,
        **_rate("session_ctr", with_click, len(searches)),
        "mean_reciprocal_rank": (
            sum(1 / min(each) for each in places if each) / len(searches) if searches else None
        ),
    }


def _rate(name: str, hits: int, of: int) -> dict[str, object]:
    """The rate, and Wilson's interval."""
    if of == 0:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    interval = binomtest(hits, of).proportion_ci(0.95, method="wilson")
    return {
        name: hits / of,
        f"{name}_low": float(interval.low),
        f"{name}_high": float(interval.high),
    }
