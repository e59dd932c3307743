"""The catalogue in plain Python over stored rows: what ClickHouse must agree with."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import Final

from tests.api.stored import Event, Search, World

LEVELS: Final = (10, 25, 50, 75, 90, 95, 99)

Pair = tuple[float, float | None]


@dataclass(frozen=True)
class Counted:
    """A search that counts, with its events of the type that is asked for."""

    search: Search
    events: Sequence[Event]
    goals: Sequence[Event]
    is_reformulated: bool
    after: Search | None
    """The next search of the same user."""

    @cached_property
    def clicked(self) -> set[int]:
        return {goal.position for goal in self.goals if goal.position}

    @property
    def shown(self) -> int:
        return len(self.search.results)


def counted(world: World, event_type: str) -> list[Counted]:
    """Each search once, without those that are marked, by user and time."""
    first: dict[str, Search] = {}
    for search in sorted(world.searches, key=lambda each: each.offset):
        first.setdefault(search.session_id, search)
    events: dict[str, dict[str, Event]] = defaultdict(dict)
    for event in sorted(world.events, key=lambda each: each.offset):
        events[event.search.session_id].setdefault(event.event_id, event)
    marks = {m.session_id: m.is_irrelevant for m in sorted(world.marks, key=lambda m: m.offset)}
    kept = [search for id_, search in first.items() if not marks.get(id_, False)]
    kept.sort(key=lambda search: (search.user_id or "", search.created_at, search.session_id))
    return [
        Counted(
            search,
            mine := list(events[search.session_id].values()),
            [event for event in mine if event.event_type == event_type],
            after is not None and is_typed_on(search, after),
            after if after and search.user_id and after.user_id == search.user_id else None,
        )
        for search, after in zip(kept, [*kept[1:], None], strict=False)
    ]


def is_typed_on(search: Search, after: Search) -> bool:
    """Whether the next search of the same user goes on with the same text within 30 s."""
    if search.user_id is None or search.user_id != after.user_id:
        return False
    if after.created_at - search.created_at > 30_000:
        return False
    one, other = search.query.strip(" ").lower(), after.query.strip(" ").lower()
    if not one or not other:
        return False
    if one.startswith(other) or other.startswith(one):
        return True
    return len(one) <= 200 and distance(one, other) <= min(2, max(len(one), len(other)) // 2)


def distance(one: str, other: str) -> int:
    """Characters to insert, delete or replace (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for number, character in enumerate(one, 1):
        before, row[0] = row[0], number
        for place, wanted in enumerate(other, 1):
            replaced = before + (character != wanted)
            before = row[place]
            row[place] = min(replaced, row[place] + 1, row[place - 1] + 1)
    return row[-1]


def of_sessions(some: Sequence[Counted]) -> dict[str, Pair]:
    """Numerator and denominator of each metric of searches."""

    def count(condition: Callable[[Counted], object]) -> int:
        return sum(bool(condition(each)) for each in some)

    sessions, shown = len(some), count(lambda c: c.shown)
    with_goal, placed = count(lambda c: c.goals), count(lambda c: c.clicked)
    clicked_anything = [c for c in some if any(e.event_type == "click" for e in c.events)]
    amounts = [amount(goal) for each in some for goal in each.goals]
    values = [each for each in amounts if each is not None]
    ends = [each for each in some if not each.is_reformulated]
    goals = [goal for each in some for goal in each.goals]
    impressions = sum(each.shown for each in some)
    return {
        "sessions": (sessions, None),
        "users": (len({each.search.user_id for each in some} - {None}), None),
        "impressions": (impressions, None),
        "clicks": (len(goals), None),
        "clicked_impressions": (sum(len(each.clicked) for each in some), None),
        "events": (sum(len(each.events) for each in some), None),
        "unlisted_events": (sum(not e.position for each in some for e in each.events), None),
        "unlisted_clicks": (sum(not goal.position for goal in goals), None),
        "session_ctr": (with_goal, sessions),
        "position_ctr": (sum(len(each.clicked) for each in some), impressions),
        "clicks_per_search": (len(goals), sessions),
        "results_per_search": (impressions, sessions),
        "mean_first_click_position": (sum(min(each.clicked, default=0) for each in some), placed),
        "mean_reciprocal_rank": (
            sum(1 / min(each.clicked) for each in some if each.clicked),
            sessions,
        ),
        **{f"ndcg_{k}": (sum(ndcg(each.clicked, k) for each in some), placed) for k in (5, 10, 20)},
        "zero_result_rate": (sessions - shown, sessions),
        "no_click_rate": (count(lambda c: c.shown and not c.goals), shown),
        "abandonment_rate": (count(lambda c: c.shown and not c.events), shown),
        "early_click_sessions": (
            count(lambda c: (after := first_ms(c)) is not None and after < 0),
            None,
        ),
        "conversion_rate": (with_goal, sessions),
        "click_to_conversion_rate": (
            sum(bool(each.goals) for each in clicked_anything),
            len(clicked_anything),
        ),
        "value_per_event": (sum(values), len(values)),
        "value_per_search": (sum(values), sessions),
        "clicks_without_dwell": (dwells(some)[1], None),
        "clicks_after_next_search": (dwells(some)[2], None),
        "intents": (len(ends), None),
        "searches_per_intent": (sessions, len(ends)),
        "intent_ctr": (sum(bool(each.goals) for each in ends), len(ends)),
        "intent_zero_result_rate": (sum(not each.shown for each in ends), len(ends)),
        "reformulation_rate": (
            sessions - len(ends),
            count(lambda c: c.search.user_id is not None),
        ),
    }


def first_clicks(some: Iterable[Counted]) -> dict[int, int | None]:
    """Level → time to the first click, of searches that have one and not before themselves."""
    return quantiles(sorted(ms for c in some if (ms := first_ms(c)) is not None and ms >= 0))


def first_ms(each: Counted) -> int | None:
    return min((goal.created_at - each.search.created_at for goal in each.goals), default=None)


def dwells(some: Iterable[Counted]) -> tuple[list[int], int, int]:
    """Of all clicks: the times that are bounded, ascending; how many have none; how many are later
    than the user's next search and the last of their own."""
    times, without, after_next = list[int](), 0, 0
    for each in some:
        ordered = sorted(each.events, key=lambda event: (event.created_at, event.event_id))
        for number, event in enumerate(ordered):
            if event not in each.goals:
                continue
            rest = ordered[number + 1 :]
            for before, later in zip([event, *rest], rest, strict=False):
                if later.position == 0 or later.position != before.position:
                    ends = [later.created_at]
                    break
            else:
                ends = []
            searched = [] if each.after is None else [each.after.created_at]
            is_late = any(at < event.created_at for at in searched)
            ends += [at for at in searched if at >= event.created_at]
            if not ends and is_late:
                after_next += 1
            elif not ends or min(ends) - event.created_at > 1_800_000:
                without += 1
            else:
                times.append(min(ends) - event.created_at)
    return sorted(times), without, after_next


def quantiles(times: Sequence[int]) -> dict[int, int | None]:
    """Level → the time with so large a share before it."""
    return {
        level: times[min(level * len(times) // 100, len(times) - 1)] if times else None
        for level in LEVELS
    }


def ndcg(clicked: set[int], depth: int) -> float:
    """Järvelin and Kekäläinen 2002, with gain 1 for a click; 0 without any."""
    if not clicked:
        return 0.0
    gained = sum(1 / log2(position + 1) for position in clicked if position <= depth)
    return gained / sum(1 / log2(n + 1) for n in range(1, min(depth, len(clicked)) + 1))


def amount(event: Event) -> float | None:
    found = json.loads(event.meta or "{}").get("amount")
    return found if isinstance(found, float | int) else None


def value_of(search: Search, position: int, path: str) -> str | None:
    """What the meta of a result has at a declared path, as text."""
    found = json.loads(search.results[position - 1][2] or "{}")
    for key in path.removeprefix("search_results.meta.").split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return None if found is None or found == "" else str(found)


def is_any(search: Search, position: int) -> bool:
    """Takes every result."""
    return bool(search.results[position - 1])


Takes = Callable[[Search, int], bool]
"""Whether the result at a position is counted."""


def of_searches_that_showed(some: Sequence[Counted], takes: Takes) -> dict[str, Pair]:
    """Of searches that showed a result which is taken; of results, of those alone."""
    places = {
        each.search.session_id: {
            place for place in range(1, each.shown + 1) if takes(each.search, place)
        }
        for each in some
    }
    those = [each for each in some if places[each.search.session_id]]
    shown = sum(len(places[each.search.session_id]) for each in those)
    clicked = sum(len(each.clicked & places[each.search.session_id]) for each in those)
    return {
        **of_sessions(those),
        "impressions": (shown, None),
        "clicked_impressions": (clicked, None),
        "position_ctr": (clicked, shown),
        "results_per_search": (shown, len(those)),
    }


def of_positions(some: Sequence[Counted], takes: Takes = is_any) -> dict[int, Mapping[str, Pair]]:
    """What is told of each position, down to the last one that has a result."""
    places = [
        (each, place)
        for each in some
        for place in range(1, each.shown + 1)
        if takes(each.search, place)
    ]
    at: dict[int, list[Counted]] = defaultdict(list)
    for each, place in places:
        at[place].append(each)
    every = sum(place in each.clicked for each, place in places)
    rows = {}
    for position in range(1, max(at, default=0) + 1):
        reaching = at[position]
        clicked = sum(position in each.clicked for each in reaching)
        lists = [each for each in reaching if each.clicked]
        rows[position] = {
            "position_ctr": (clicked, len(reaching)),
            "click_share": (clicked, every),
            "examination_rate": (sum(max(c.clicked) >= position for c in lists), len(lists)),
        }
    return rows


def of_objects(
    some: Sequence[Counted], takes: Takes = is_any
) -> dict[str | None, Mapping[str, Pair]]:
    """What is told of each object."""
    return of_results(some, lambda search, place: search.results[place - 1][0], takes)


def of_results(
    some: Sequence[Counted], group_of: Callable[[Search, int], str | None], takes: Takes = is_any
) -> dict[str | None, Mapping[str, Pair]]:
    """What is told of each group of results."""
    ctr = {p: row["position_ctr"] for p, row in of_positions(some).items()}
    shown: dict[str | None, list[tuple[int, bool]]] = defaultdict(list)
    for each in some:
        for position in range(1, each.shown + 1):
            if takes(each.search, position):
                group = group_of(each.search, position)
                shown[group].append((position, position in each.clicked))
    return {
        group: {
            "impressions": (len(places), None),
            "clicked_impressions": (sum(is_clicked for _, is_clicked in places), None),
            "position_ctr": (sum(is_clicked for _, is_clicked in places), len(places)),
            "position_adjusted_ctr": (
                sum(is_clicked for _, is_clicked in places),
                sum(clicked / (of or 1) for clicked, of in (ctr[p] for p, _ in places)),
            ),
        }
        for group, places in shown.items()
    }
