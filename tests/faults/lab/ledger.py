"""What was sent and what was acknowledged, kept by the test, outside the system. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

EventKey = tuple[str, str]


@dataclass
class Ledger:
    """Sessions and events (session id, event id) by what became of them."""

    sent_sessions: set[str] = field(default_factory=set)
    sent_events: set[EventKey] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)  # acknowledged
    events: set[EventKey] = field(default_factory=set)  # acknowledged

    def sent(self, session_id: str, event_ids: Iterable[str] | None) -> None:
        """A post is on its way: of the session itself (None), or of events."""
        if event_ids is None:
            self.sent_sessions.add(session_id)
        else:
            self.sent_events.update((session_id, event_id) for event_id in event_ids)

    def acknowledged(self, session_id: str, event_ids: Iterable[str] | None) -> None:
        """The edge has answered 200."""
        if event_ids is None:
            self.sessions.add(session_id)
        else:
            self.events.update((session_id, event_id) for event_id in event_ids)


@dataclass(frozen=True)
class Found:
    """What one way of reading gave: each key as often as it came.

    `misplaced` are events whose position is not where their object stood in the session's list.
    """

    sessions: Counter[str]
    events: Counter[EventKey]
    waiting: Counter[EventKey] = field(default_factory=Counter)
    misplaced: frozenset[EventKey] = frozenset()

    def without(self, rows: Collection[str]) -> Found:
        """The same, but for what the traffic of those names has sent. What nobody sent stays."""
        return Found(
            Counter({id_: n for id_, n in self.sessions.items() if row_of(id_) not in rows}),
            Counter({key: n for key, n in self.events.items() if row_of(key[0]) not in rows}),
            Counter({key: n for key, n in self.waiting.items() if row_of(key[0]) not in rows}),
            frozenset(key for key in self.misplaced if row_of(key[0]) not in rows),
        )


def row_of(session_id: str) -> str:
    """The name of the traffic that such a session is of: its id is that name, "-" and a number."""
    return session_id.rpartition("-")[0]


@dataclass(frozen=True)
class Verdict:
    """The differences; every number is 0 for a system that keeps its promise."""

    lost: int
    duplicated: int
    invented: int
    unjoined: int
    misplaced: int
    examples: tuple[str, ...]
    miscounted: int = 0  # sessions and events by which the metrics differ from the views
    dead_lettered: int = 0

    @property
    def is_clean(self) -> bool:
        wrong = self.lost, self.duplicated, self.invented, self.unjoined, self.misplaced
        return not any((*wrong, self.miscounted, self.dead_lettered))


def judge(
    ledger: Ledger, readings: Mapping[str, Found], other_rows: Collection[str] = ()
) -> Verdict:
    """Lost = acknowledged and not readable, in the worst reading; the others alike.

    Records of `other_rows`, traffic of the same lab by its names, are theirs to answer for.

    An event whose session nobody acknowledged may be joined or may wait: its session's fate is
    unknown. What was sent and never acknowledged may be there or not.
    """
    found = [
        _differences(ledger, name, reading.without(other_rows))
        for name, reading in readings.items()
    ]
    worst = {kind: max(len(each[kind]) for each in found) for kind in found[0]}
    examples = [said for each in found for kind in each.values() for said in sorted(kind)[:3]]
    return Verdict(**worst, examples=tuple(examples))


def _differences(ledger: Ledger, name: str, found: Found) -> dict[str, list[str]]:
    stored = found.events.keys() | found.waiting.keys()
    joined = {key for key in ledger.events if key[0] in found.sessions}
    everywhere = found.events + found.waiting
    return {
        "lost": _said(name, "lost", ledger.sessions - found.sessions.keys())
        + _said(name, "lost", ledger.events - stored),
        "duplicated": _said(name, "doubled", (k for k, n in found.sessions.items() if n > 1))
        + _said(name, "doubled", (k for k, n in everywhere.items() if n > 1)),
        "invented": _said(name, "never sent", found.sessions.keys() - ledger.sent_sessions)
        + _said(name, "never sent", stored - ledger.sent_events),
        "unjoined": _said(name, "not joined", joined - found.events.keys()),
        "misplaced": _said(name, "in the wrong place", found.misplaced),
    }


def _said(reading: str, what: str, keys: Iterable[object]) -> list[str]:
    return [f"{reading}: {key} {what}" for key in keys]
