"""The result of a run: what was acknowledged against what can be read. Pure.

`ExpectedState` is what the contract promises for the acknowledged posts, in their order: the first
post of a session and of an event wins, marks stick, nothing else exists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from clickstream.local.demo.disorder import EVENTS, SESSION, Post
from clickstream.local.demo.simulator import Json

EventKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ExpectedState:
    """What must be readable. `indeterminate` sessions had a post without an answer, which may or
    may not have been stored: nothing is demanded of them."""

    sessions: Mapping[str, Json]
    events: Mapping[EventKey, Json]
    irrelevant: frozenset[str]
    indeterminate: frozenset[str]

    def joined(self) -> set[EventKey]:
        return {key for key in self.events if key[0] in self.sessions}

    def unjoined(self) -> set[EventKey]:
        return self.events.keys() - self.joined()


def expected_state(acknowledged: Iterable[Post], unanswered: Iterable[Post] = ()) -> ExpectedState:
    """`acknowledged` in the order of acknowledgement, at least within each session."""
    indeterminate = frozenset(post.session_id for post in unanswered)
    sessions: dict[str, Json] = {}
    events: dict[EventKey, Json] = {}
    irrelevant: set[str] = set()
    for post in acknowledged:
        if post.session_id in indeterminate:
            continue
        if post.path == SESSION:
            sessions.setdefault(post.session_id, post.body)
        elif post.path == EVENTS:
            for event in post.body["events"]:
                events.setdefault((post.session_id, event["event_id"]), event)
        else:
            irrelevant.add(post.session_id)
    return ExpectedState(sessions, events, frozenset(irrelevant), indeterminate)


@dataclass(frozen=True, slots=True)
class ObservedState:
    """What one way of reading gave: every key as often as it came, and contents where known."""

    sessions: Counter[str]
    joined: Counter[EventKey]
    irrelevant: frozenset[str]
    unjoined: Counter[EventKey] | None = None
    contents: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences, each as a few words that name the key; empty is what must be."""

    missing: tuple[str, ...]
    duplicated: tuple[str, ...]
    altered: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not (self.missing or self.duplicated or self.altered)


def compare(expected: ExpectedState, found: ObservedState) -> Comparison:
    """Everything expected is there, once, as it was first sent; and nothing else is."""
    missing = [f"session {key}" for key in expected.sessions if key not in found.sessions]
    missing += [f"event {key}" for key in expected.joined() if key not in found.joined]
    missing += [f"mark {key}" for key in expected.irrelevant if key not in found.irrelevant]
    duplicated = [f"session {key}" for key, n in found.sessions.items() if n > 1]
    duplicated += [f"event {key}" for key, n in found.joined.items() if n > 1]
    if found.unjoined is not None:
        missing += [f"unjoined event {k}" for k in expected.unjoined() if k not in found.unjoined]
        duplicated += [f"unjoined event {key}" for key, n in found.unjoined.items() if n > 1]
    return Comparison(tuple(missing), tuple(duplicated), tuple(_altered(expected, found)))


def _altered(expected: ExpectedState, found: ObservedState) -> Iterable[str]:
    """Read back otherwise than sent, or never sent at all."""
    certain = found.sessions.keys() - expected.indeterminate
    yield from (f"session {key} was never sent" for key in certain - expected.sessions.keys())
    joined = {key for key in found.joined if key[0] not in expected.indeterminate}
    yield from (f"event {key} was never joined" for key in joined - expected.joined())
    marked = found.irrelevant - expected.indeterminate
    yield from (f"session {key} was never marked" for key in marked - expected.irrelevant)
    for key, content in found.contents.items():
        if key in expected.sessions and not _equal(expected, key, content):
            yield f"session {key} is not as it was sent"


def _equal(expected: ExpectedState, session_id: str, content: Json) -> bool:
    """Does `GET /session`'s answer hold the first post and the first of each event?"""
    sent = expected.sessions[session_id]
    events = {event["event_id"]: event for event in content["events"]}
    return (
        _contains(content, {k: v for k, v in sent.items() if k != "search_results"})
        and len(content["search_results"]) == len(sent["search_results"])
        and all(map(_contains, content["search_results"], sent["search_results"]))
        and all(
            _contains(events[event_id], expected.events[session_id, event_id])
            for event_id in events
            if (session_id, event_id) in expected.events
        )
    )


def _contains(read: Json, sent: Json) -> bool:
    """Every field that was sent came back with its value; fields that were not are null."""
    return all(read.get(name) == value for name, value in sent.items())


@dataclass(frozen=True, slots=True)
class Row:
    """Counts of sessions, events and marks; None where the question makes no sense."""

    label: str
    sessions: int | None = None
    events: int | None = None
    marks: int | None = None


def rows(
    sent: Sequence[Post], acknowledged: Sequence[Post], expected: ExpectedState, sql: ObservedState
) -> list[Row]:
    """The ledger, top to bottom. `sql` is what ClickHouse holds of this run."""
    posted, confirmed = _count_posts(sent), _count_posts(acknowledged)
    return [
        Row("sent", *posted),
        Row("acknowledged", *confirmed),
        Row(
            "of these duplicates",
            confirmed[0] - len(expected.sessions),
            confirmed[1] - len(expected.events),
            confirmed[2] - len(expected.irrelevant),
        ),
        Row(
            "stored",
            len(sql.sessions),
            len(sql.joined) + len(sql.unjoined or ()),
            len(sql.irrelevant),
        ),
        Row("joined", None, len(sql.joined)),
        Row("unjoined: session never came", None, len(sql.unjoined or ())),
        Row("irrelevant", len(sql.sessions.keys() & sql.irrelevant)),
    ]


def _count_posts(posts: Iterable[Post]) -> tuple[int, int, int]:
    """Sessions, events (not their posts) and marks."""
    sessions = events = marks = 0
    for post in posts:
        if post.path == SESSION:
            sessions += 1
        elif post.path == EVENTS:
            events += len(post.body["events"])
        else:
            marks += 1
    return sessions, events, marks
