"""The cap of waiting events by itself."""

from __future__ import annotations

import pyarrow as pa

from stream_processors.join.waiting_cap import WaitingCap


def events(*ids: tuple[str, str], first_version: int = 1_000) -> pa.Table:
    """In the order of their offsets."""
    versions = pa.array([first_version - n for n in range(len(ids))], pa.uint64())
    sessions, names = zip(*ids, strict=True)
    return pa.table({"session_id": sessions, "event_id": names, "version": versions})


class Waiting:
    """Answers with the same number for each session, and notes who was asked for."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self.asked: list[dict[str, object]] = []

    def __call__(self, asked: pa.Table) -> pa.Array:
        self.asked += asked.to_pylist()
        return pa.array([self.count] * len(asked), pa.uint64())


def test_usual_sessions_cost_no_question() -> None:
    cap, waiting = WaitingCap(1_000), Waiting(10_000)
    for n in range(50):
        some = [(f"{n}-{s}", f"e{e}") for s in range(50) for e in range(9)]
        assert not cap.beyond(events(*some), waiting).any()
    assert waiting.asked == []


def test_the_store_is_asked_for_frequent_sessions_alone_from_their_first_event_on() -> None:
    cap, waiting = WaitingCap(20), Waiting(19)
    cap.beyond(events(("s", "e0")), waiting)
    beyond = cap.beyond(
        events(("a", "e"), ("s", "e1"), ("s", "e1"), ("s", "e2"), first_version=9), waiting
    )
    assert beyond.tolist() == [False, False, False, True]
    assert waiting.asked == [{"session_id": "s", "version": 8}]


def test_an_id_that_trickles_in_is_noticed_after_a_tenth_of_the_cap() -> None:
    cap, waiting = WaitingCap(100), Waiting(100)
    beyond = [bool(cap.beyond(events(("s", f"e{n}")), waiting).any()) for n in range(12)]
    assert beyond == [False] * 9 + [True] * 3
