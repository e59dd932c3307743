"""A random log of searches, of everything that makes numbers go wrong: posts again, events before
their session, days after it, on objects that were not listed, long lists, texts of their own."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from tests.stream_processors.records import NOW_MS, event, mark, session

Record = dict[str, Any]

_DAY_MS = 86_400_000
_MOST_DAYS = 30
_LONGEST_LIST = 10_000
_TYPES = ("click", "click", "click", "cart", "purchase")


def days_of(sessions: int) -> int:
    """Over how many days so many sessions are spread: who restarts computes the facts of each day
    by itself, and a day of a handful of sessions takes as long as one of thousands."""
    return max(4, min(_MOST_DAYS, sessions // 300))


def random_log(random: Random, sessions: int) -> list[Record]:
    """The records of so many sessions, in the order of the log."""
    placed = [
        placed_record
        for number in range(sessions)
        for placed_record in _of_session(random, number, sessions)
    ]
    return [record for _, record in sorted(placed, key=lambda each: each[0])]


def _of_session(random: Random, number: int, sessions: int) -> Iterator[tuple[float, Record]]:
    """The records of one search, each with its place in the log."""
    id_ = f"s{number}"
    listed = _length(random, number)
    is_old = random.random() < 0.01
    created_at = NOW_MS - random.randrange(days_of(sessions) * _DAY_MS)
    created_at -= 100 * _DAY_MS if is_old else 0
    first = session(
        id_,
        [f"o{n}" for n in range(listed)],
        search_query=f"text {number}" if random.random() < 0.6 else f"often {number % 7}",
        user_id=f"u{random.randrange(sessions // 20 + 1)}" if random.random() < 0.9 else None,
        created_at=created_at,
    )
    if random.random() < 0.98:
        yield number, first
        if random.random() < 0.05:
            yield number + random.randrange(1, 300), {**first, "search_query": "posted again"}
    for _ in range(random.choice((0, 0, 1, 2, 3, 8))):
        yield number + random.choice((-20, 0.1, 0.2, 5, 200)), _event(random, first, listed)
    for _ in range(random.choice((1, 2, 3)) if random.random() < 0.05 else 0):
        yield number + random.randrange(-10, 300), mark(id_, random.random() < 0.7)


def _length(random: Random, number: int) -> int:
    if number % 500 == 7:
        return _LONGEST_LIST
    if random.random() < 0.1:
        return random.randrange(60, 200)
    return random.choice((0, 1, 2, 5, 10, 20))


def _event(random: Random, of: Record, listed: int) -> Record:
    """Few event ids, so that some are posted again, with other content."""
    is_listed = listed and random.random() < 0.95
    place = int(listed * random.random() ** 3) if is_listed else listed
    after_ms = random.choice((-500, 0, 700, 20_000, 3 * _DAY_MS))
    return event(
        of["session_id"],
        f"e{random.randrange(9)}",
        f"o{place}",
        event_type=random.choice(_TYPES),
        created_at=of["created_at"] + after_ms + random.randrange(500),
    )
