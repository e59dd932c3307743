"""Twelve hundred searches of three days that are sent as they should be, and the same with one
fault each. What each fault makes was counted by hand; the numbers are small."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tests.api.stored import DAY_MS, Event, Search, World

HOUR_MS: Final = 3_600_000
# The events of waiting rows are received when they are stored, and have to be in the range.
TO_MS: Final = int(time.time()) * 1_000 + HOUR_MS
FROM_MS: Final = TO_MS - 3 * DAY_MS

_SEARCHES: Final = 1_200
_STEP_MS: Final = (3 * DAY_MS - HOUR_MS) // _SEARCHES
_SHOWN: Final = tuple((f"object-{place}", None, None) for place in range(1, 6))
# The first search of the newest 24 hours.
NEWEST: Final = -(-2 * DAY_MS // _STEP_MS)

SEARCHES: Final = tuple(
    Search(
        f"search-{number:04}",
        results=_SHOWN,
        created_at=FROM_MS + number * _STEP_MS,
        user_id=f"user-{number % 300}",
        offset=number,
    )
    for number in range(_SEARCHES)
)


def event(search: Search, event_id: str, place: int, event_type: str = "click") -> Event:
    return Event(search, event_id, f"object-{place}", event_type, search.created_at + 5_000)


def _events(number: int, search: Search) -> Sequence[Event]:
    """A click; one search in ten has a second one, one in twenty a purchase."""
    place = 1 + number % 5
    events = [event(search, f"{number}-a", place)]
    if number % 10 == 0:
        events.append(event(search, f"{number}-b", 1 + place % 5))
    if number % 20 == 0:
        events.append(event(search, f"{number}-c", place, "purchase"))
    return events


EVENTS: Final = tuple(
    replace(one, offset=offset)
    for offset, one in enumerate(
        one for number, search in enumerate(SEARCHES) for one in _events(number, search)
    )
)
CLEAN: Final = World(SEARCHES, EVENTS)
"""1,320 clicks and 60 purchases."""


@dataclass(frozen=True)
class Fault:
    """What is stored, and what is said of it."""

    finding: str
    world: World
    cases: int
    total: int
    examples: Sequence[str]


def _searches(change: Callable[[int, Search], Search]) -> World:
    """With other searches, and the events on them."""
    changed = {search.session_id: change(n, search) for n, search in enumerate(SEARCHES)}
    events = [replace(one, search=changed[one.search.session_id]) for one in EVENTS]
    return World(tuple(changed.values()), tuple(events))


def _more(*events: Event) -> World:
    return World(SEARCHES, (*EVENTS, *events))


def _named(*numbers: int) -> list[str]:
    return [SEARCHES[number].session_id for number in numbers]


def _event_mix() -> Fault:
    """Each search of the newest day has a purchase more."""
    world = _more(*(event(search, "more", 1, "purchase") for search in SEARCHES[NEWEST:]))
    newest = [one for one in world.events if one.search.created_at >= TO_MS - DAY_MS]
    before = len(world.events) - len(newest)
    clicks = sum(one.event_type == "click" for one in newest)
    clicks_before = sum(one.event_type == "click" for one in world.events) - clicks
    now, then = clicks / len(newest), clicks_before / before
    examples = [
        f"click: {round(100 * then, 1):g} % before, {round(100 * now, 1):g} % now",
        f"purchase: {round(100 - 100 * then, 1):g} % before, {round(100 - 100 * now, 1):g} % now",
    ]
    return Fault("event_mix", world, round((then - now) * len(newest)), len(newest), examples)


FAULTS: Final = (
    Fault(
        "searches_without_events",
        World(SEARCHES, tuple(one for one in EVENTS if one.search in SEARCHES[:NEWEST])),
        _SEARCHES - NEWEST,
        _SEARCHES,
        _named(1_199),
    ),
    Fault(
        "unlisted_clicks",
        _more(
            *(event(search, "other", 9) for search in SEARCHES[:80]),
            *(event(search, "bought", 9, "purchase") for search in SEARCHES[100:110]),
        ),
        80,
        1_400,
        _named(79, 78, 77),
    ),
    Fault(
        "clicks_at_position_1",
        World(
            SEARCHES,
            tuple(
                replace(one, object_id="object-2" if one.search in SEARCHES[:30] else "object-1")
                for one in EVENTS
            ),
        ),
        1_170,
        1_200,
        _named(1_199, 1_198, 1_197),
    ),
    Fault(
        "one_user",
        _searches(lambda n, search: replace(search, user_id="backend") if n % 6 == 0 else search),
        200,
        1_200,
        ["backend: 200 searches"],
    ),
    Fault(
        "one_session",
        _more(*(event(SEARCHES[7], f"more-{n}", 1 + n % 5) for n in range(100))),
        101,
        1_480,
        ["search-0007: 101 events", "search-0000: 3 events", "search-0020: 3 events"],
    ),
    Fault(
        "one_event_id",
        World(
            SEARCHES,
            tuple(
                event(search, "click" if n % 3 else f"{n}", 1 + n % 5)
                for n, search in enumerate(SEARCHES)
            ),
        ),
        800,
        1_200,
        ["click: 800 events"],
    ),
    _event_mix(),
    Fault(
        "clock_skew",
        World(
            tuple(
                replace(s, received_at=s.created_at - 61_000) if 20 <= n < 40 else s
                for n, s in enumerate(SEARCHES)
            ),
            tuple(
                replace(one, created_at=one.search.created_at - 1_001)
                if one.search in SEARCHES[100:130]
                else one
                for one in EVENTS
            ),
        ),
        50,
        1_200,
        _named(129, 128, 127),
    ),
    Fault(
        "posts_not_stored",
        _searches(lambda n, search: replace(search, offset=2 * n)),
        1_199,
        2_399,
        [
            "Kafka partition 0, offsets 0 to 998: 499 not stored",
            "Kafka partition 0, offsets 1000 to 1998: 499 not stored",
            "Kafka partition 0, offsets 2000 to 2398: 199 not stored",
        ],
    ),
    Fault(
        "repeated_events",
        World(SEARCHES, tuple(replace(one, offset=2 * one.offset) for one in EVENTS)),
        1_379,
        2_759,
        [
            "Kafka partition 0, offsets 0 to 998: 499 not stored",
            "Kafka partition 0, offsets 1000 to 1998: 499 not stored",
            "Kafka partition 0, offsets 2000 to 2758: 379 not stored",
        ],
    ),
    Fault(
        "placeholder_ids",
        World(
            tuple(replace(s, user_id="undefined") if n < 5 else s for n, s in enumerate(SEARCHES)),
            (*EVENTS, *(replace(one, event_id="[object Object]") for one in EVENTS[3:5])),
            unjoined=tuple(
                Event(Search("null"), f"e{n}", created_at=TO_MS - HOUR_MS) for n in range(3)
            ),
        ),
        10,
        2_585,
        [
            "user_id undefined: 5 times",
            "session_id of a waiting event null: 3 times",
            "event_id [object Object]: 2 times",
        ],
    ),
)
