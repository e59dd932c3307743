"""The judge of the fault lab sees each kind of fault in each reading."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from tests.faults.lab.days import days_before
from tests.faults.lab.ledger import Found, Ledger, Verdict, judge

E1, E2 = ("s1", "e1"), ("s1", "e2")


def ledger() -> Ledger:
    """One session with two events, all of it acknowledged."""
    kept = Ledger()
    for post in (None, ["e1", "e2"]):
        kept.sent("s1", post)
        kept.acknowledged("s1", post)
    return kept


def found(
    sessions: Counter[str] | None = None,
    events: Counter[tuple[str, str]] | None = None,
    waiting: Counter[tuple[str, str]] | None = None,
    misplaced: frozenset[tuple[str, str]] = frozenset(),
) -> Found:
    return Found(
        Counter(["s1"]) if sessions is None else sessions,
        Counter([E1, E2]) if events is None else events,
        Counter() if waiting is None else waiting,
        misplaced,
    )


@pytest.mark.parametrize(
    ("kind", "reading"),
    [
        ("lost", found(sessions=Counter())),
        ("lost", found(events=Counter([E1]))),
        ("duplicated", found(sessions=Counter(["s1", "s1"]))),
        ("duplicated", found(events=Counter([E1, E2, E2]))),
        ("duplicated", found(waiting=Counter([E2]))),
        ("invented", found(sessions=Counter(["s1", "s2"]))),
        ("invented", found(events=Counter([E1, E2, ("s1", "e3")]))),
        ("unjoined", found(events=Counter([E1]), waiting=Counter([E2]))),
        ("misplaced", found(misplaced=frozenset([E1]))),
    ],
)
@pytest.mark.parametrize("name", ["first", "second"])
def test_each_fault_is_seen_in_each_reading(kind: str, reading: Found, name: str) -> None:
    verdict = judge(ledger(), {"first": found(), "second": found(), name: reading})
    assert not verdict.is_clean
    assert getattr(verdict, kind) == 1
    assert verdict.examples[0].startswith(name)


def test_all_there_once_is_clean() -> None:
    assert judge(ledger(), {"only": found()}) == Verdict(0, 0, 0, 0, 0, ())


def test_what_was_sent_without_an_answer_may_be_there_or_not() -> None:
    kept = ledger()
    kept.sent("s2", None)
    kept.sent("s2", ["e1"])
    kept.acknowledged("s2", ["e1"])
    not_stored = found(waiting=Counter([("s2", "e1")]))
    stored = found(sessions=Counter(["s1", "s2"]), events=Counter([E1, E2, ("s2", "e1")]))
    assert judge(kept, {"api": not_stored}).is_clean
    assert judge(kept, {"api": stored}).is_clean


def test_records_of_a_slow_row_before_are_not_this_ones() -> None:
    kept = Ledger()
    kept.sent("killed-1", None)
    kept.sent("killed-1", ["e1"])
    late = ("frozen-7", "e1")
    reading = found(
        sessions=Counter(["killed-1", "frozen-7"]),
        events=Counter([("killed-1", "e1"), late, late]),
        waiting=Counter([("frozen-8", "e1")]),
        misplaced=frozenset([late]),
    )
    assert judge(kept, {"views": reading}, other_rows=["frozen"]).is_clean
    assert judge(kept, {"views": reading}).invented == 3
    assert judge(kept, {"views": reading}, other_rows=["ch-frozen", "froze"]).invented == 3


def test_no_two_rows_have_the_same_day_although_midnight_passes_between_them() -> None:
    began = date(2026, 3, 1)
    days = days_before(began)
    assert [next(days) for _ in range(3)] == [began - timedelta(days=n) for n in (1, 2, 3)]
