"""From orderly sessions to the mess of a network: late, repeated, changed,
marked. Pure and seeded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from clickstream.local.demo.simulator import Json, SimulatedSession

SESSION = "/session"
EVENTS = "/session/events"
IRRELEVANT = "/session/irrelevant"

# Shares of sessions. Each kind of disorder happens a few dozen times in the smallest demo.
_EVENTS_FIRST = 0.04
_SESSION_LOST = 0.004
_SESSION_AGAIN = 0.04
_EVENTS_AGAIN = 0.04
_CHANGED_WHEN_AGAIN = 0.5
_EVENTS_IN_TWO_POSTS = 0.25
_MARKED = 0.01

# How many sessions later something delayed is sent. The longest delay is enough for the worker to
# have flushed in between, so that events wait unjoined and are joined when their session comes.
_SHORT_DELAY = (1, 20)
_LONG_DELAY = (200, 600)


@dataclass(frozen=True, slots=True)
class Post:
    """One request. Those of one session are sent in the order of the list, each after the answer
    to the one before, so that the first to be acknowledged is the first here."""

    path: str
    session_id: str
    body: Json


def schedule(sessions: Iterable[SimulatedSession], seed: int) -> list[Post]:
    """Every post of every session, in the order of sending."""
    random = Random(seed)  # noqa: S311 - traffic, not secrets
    slotted = [
        (number + delay, post)
        for number, session in enumerate(sessions)
        for delay, post in _posts(session, random)
    ]
    slotted.sort(key=lambda pair: pair[0])  # stable: what is due together keeps its order
    return [post for _, post in slotted]


def _posts(session: SimulatedSession, random: Random) -> Iterator[tuple[int, Post]]:
    """The posts of one session, each with its delay in sessions."""
    lost = bool(session.events) and random.random() < _SESSION_LOST
    late = bool(session.events) and random.random() < _EVENTS_FIRST
    session_delay = random.randint(*_LONG_DELAY) if late else 0
    if not lost:
        yield session_delay, Post(SESSION, session.session_id, session.body)
    yield from _event_posts(session, random)
    if lost:
        return
    if random.random() < _SESSION_AGAIN:
        again = session_delay + random.randint(*random.choice((_SHORT_DELAY, _LONG_DELAY)))
        yield again, Post(SESSION, session.session_id, _session_again(session.body, random))
    if random.random() < _MARKED:
        marked = session_delay + random.randint(*_SHORT_DELAY)
        yield marked, Post(IRRELEVANT, session.session_id, {"session_id": session.session_id})


def _event_posts(session: SimulatedSession, random: Random) -> Iterator[tuple[int, Post]]:
    batches = [list(session.events)] if session.events else []
    if len(session.events) > 1 and random.random() < _EVENTS_IN_TWO_POSTS:
        half = len(session.events) // 2
        batches = [list(session.events[:half]), list(session.events[half:])]
    delay = 0
    for batch in batches:
        yield delay, Post(EVENTS, session.session_id, _events_body(session, batch))
        delay += random.randint(*_SHORT_DELAY)
    if batches and random.random() < _EVENTS_AGAIN:
        again = delay + random.randint(*random.choice((_SHORT_DELAY, _LONG_DELAY)))
        yield again, Post(EVENTS, session.session_id, _events_again(session, batches[0], random))


def _events_body(session: SimulatedSession, events: list[Json]) -> Json:
    return {"session_id": session.session_id, "events": events}


def _session_again(body: Json, random: Random) -> Json:
    """The same, or another content under the same id, which must change nothing."""
    if random.random() < _CHANGED_WHEN_AGAIN:
        return {**body, "search_query": body["search_query"] + " (again)"}
    return body


def _events_again(session: SimulatedSession, events: list[Json], random: Random) -> Json:
    if random.random() < _CHANGED_WHEN_AGAIN:
        events = [{**event, "event_type": "changed"} for event in events]
    return _events_body(session, events)
