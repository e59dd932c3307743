"""docs/metrics.md on experiments once more, in plain Python over stored rows and without sums of
squares: what ClickHouse and the endpoints must agree with."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Hashable
from statistics import variance as sample_variance

from tests.api import reference
from tests.api.reference import Asked
from tests.api.stored import Event, Search, World

Pair = tuple[float, float]


def unit(search: Search) -> Hashable:
    """A user, or a search without one."""
    return ("user", search.user_id) if search.user_id is not None else search.session_id


def variant(search: Search, field: str) -> str | None:
    named = json.loads(search.search_meta or "{}").get(field)
    return None if named is None or named == "" else str(named)


def metrics_of(world: World, search: Search, asked: Asked) -> dict[str, Pair]:
    """Numerator and denominator of each metric, of one search."""
    clicks = goals(world, search, asked)
    positions = {event.position for event in clicks} - {0}
    first = min(positions, default=0)
    shown = len(search.results)
    return {
        "session_ctr": (bool(clicks), 1),
        "clicks_per_search": (len(clicks), 1),
        "position_ctr": (len(positions), shown),
        "mean_reciprocal_rank": (1 / first if first else 0, 1),
        "mean_first_click_position": (first, bool(positions)),
        "zero_result_rate": (shown == 0, 1),
        "no_click_rate": (shown > 0 and not clicks, shown > 0),
    }


def goals(world: World, search: Search, asked: Asked) -> list[Event]:
    events = reference.events_once(world, search.session_id)
    return [event for event in events if event.event_type == asked.event_type]


def by_variant(
    world: World, asked: Asked, field: str = "variant"
) -> dict[str, dict[Hashable, list[Search]]]:
    """Variant → user → searches."""
    found: dict[str, dict[Hashable, list[Search]]] = defaultdict(lambda: defaultdict(list))
    for search in reference.selected(world, asked):
        named = variant(search, field)
        if named is not None:
            found[named][unit(search)].append(search)
    return found


def user_sums(
    world: World, asked: Asked, users: dict[Hashable, list[Search]]
) -> dict[str, list[Pair]]:
    """Metric → (numerator, denominator) of each user."""
    sums: dict[str, list[Pair]] = defaultdict(list)
    for searches in users.values():
        totals: dict[str, Pair] = {}
        for search in searches:
            for metric, (x, y) in metrics_of(world, search, asked).items():
                before = totals.get(metric, (0, 0))
                totals[metric] = (before[0] + x, before[1] + y)
        for metric, pair in totals.items():
            sums[metric].append(pair)
        sums["searches_per_user"].append((len(searches), 1))
    return sums


def value_and_error(pairs: list[Pair]) -> tuple[float | None, float | None]:
    """Σx / Σy, and its standard error: that of the mean of (x - value · y) / mean(y)."""
    x, y = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    if y == 0:
        return None, None
    if len(pairs) < 2:
        return x / y, None
    mean_y = y / len(pairs)
    residuals = [(each_x - x / y * each_y) / mean_y for each_x, each_y in pairs]
    return x / y, math.sqrt(sample_variance(residuals) / len(pairs))


def interleaved(
    world: World, asked: Asked, control: str
) -> dict[str, list[tuple[Hashable, int, int]]]:
    """Team → (user, clicked results of the team, those of the control) of each search with both."""
    found: dict[str, list[tuple[Hashable, int, int]]] = defaultdict(list)
    for search in reference.selected(world, asked):
        teams = [json.loads(meta or "{}").get("team") for _, _, meta in search.results]
        positions = {event.position for event in goals(world, search, asked)} - {0}
        clicked = [teams[position - 1] for position in positions]
        if control in teams:
            for team in {each for each in teams if each} - {control}:
                found[team].append((unit(search), clicked.count(team), clicked.count(control)))
    return found
