"""The tail: what is shown of what comes, what becomes of it, and that all of it is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from api.events.log_follower import Followed
from api.events.outcomes import Outcomes
from api.events.queries import JoinedRow, SearchRow, WaitingRow
from api.events.reader import EventId, EventReader
from api.events.tail import tail
from api.events.tail_records import TailRecord, TailState, Wanted, parse_wanted
from core.errors import InvalidRequest, SinkUnavailable
from tests.api.events.memory_store import MemoryStore
from tests.clock import ManualClock

SESSION_ROW = SearchRow("s", "shoes", 10, 15, "2026-11-29", 7)
JOINED_ROW = JoinedRow("s", "e", "o", "click", 2, 20, 25, 7)
WAITING_ROW = WaitingRow("s", "e", "o", "click", 20, 25, 7)
JOINED = {"event_session": [SESSION_ROW], "event_joined": [JOINED_ROW]}


class ScriptedFollower:
    """Gives these batches, one a call, then nothing. Time passes with each call."""

    def __init__(self, clock: ManualClock, *batches: Sequence[TailRecord], over: int = 0) -> None:
        self._clock = clock
        self._batches = list(batches)
        self._over = over
        self.is_closed = False

    async def start(self) -> None:
        return

    async def poll(self) -> Followed:
        self._clock.advance(0.25)
        over, self._over = self._over, 0
        return Followed(list(self._batches.pop(0)) if self._batches else [], over)

    def close(self) -> None:
        self.is_closed = True


def event(event_id: str = "e", session_id: str = "s", **fields: Any) -> TailRecord:
    values = {"object_id": "o", "event_type": "click", **fields}
    return TailRecord("accepted", 1, "event", session_id, event_id, **values)


def session(session_id: str = "s", user_id: str | None = None) -> TailRecord:
    return TailRecord("accepted", 1, "session", session_id, user_id=user_id, results=3)


def watch(
    batches: Sequence[Sequence[TailRecord]],
    wanted: Wanted | None = None,
    store: MemoryStore | None = None,
    turns: int = 12,
    over: int = 0,
) -> list[TailRecord]:
    clock = ManualClock()
    follower = ScriptedFollower(clock, *batches, over=over)
    outcomes = Outcomes(EventReader(store or MemoryStore(), "c.events", 1.0), clock)

    async def lines() -> list[TailRecord]:
        found: list[TailRecord] = []
        stream = tail(follower, outcomes, wanted or Wanted(), clock)
        for _ in range(turns):
            found += await anext(stream)
        await stream.aclose()
        return found

    return asyncio.run(lines())


def states(lines: Sequence[TailRecord]) -> list[str]:
    return [line.state for line in lines]


def test_an_accepted_event_is_told_once_more_when_it_is_joined() -> None:
    lines = watch([[event()]], store=MemoryStore(JOINED))
    assert states(lines) == ["accepted", "joined"]
    assert (lines[1].position, lines[1].search_query, lines[1].results) == (2, "shoes", 10)


def test_an_event_without_its_session_waits_and_is_joined_when_that_comes() -> None:
    store = MemoryStore({"event_waiting": [WAITING_ROW]})
    looks = iter(range(100))

    def later() -> None:
        if next(looks) == 2:
            store.tables = dict(JOINED)

    store.after["event_session"] = later
    assert states(watch([[event()]], store=store, turns=80)) == ["accepted", "waiting", "joined"]


def test_an_event_of_which_nothing_is_known_is_given_up_after_two_minutes() -> None:
    store = MemoryStore()
    watch([[event()]], store=store, turns=4 * 150)
    asked = store.asked.count("event_waiting")
    assert asked == 7
    watch([[event()]], store=store, turns=4 * 300)
    assert store.asked.count("event_waiting") == 2 * asked


def test_clickhouse_that_is_away_delays_what_became_of_it() -> None:
    class Away(MemoryStore):
        async def rows(self, *arguments: Any, **values: Any) -> list[Any]:
            if len(self.asked) < 2:
                self.asked.append("away")
                raise SinkUnavailable("ClickHouse is down")
            return await super().rows(*arguments, **values)

    assert states(watch([[event()]], store=Away(JOINED), turns=40)) == ["accepted", "joined"]


def test_sessions_marks_and_dead_letters_are_shown_and_not_watched() -> None:
    store = MemoryStore()
    refused = TailRecord("refused", 1, "event", "s", "e", reason="too_many_waiting")
    mark = TailRecord("accepted", 1, "mark", "s", is_irrelevant=True)
    assert watch([[session(), mark, refused]], store=store) == [session(), mark, refused]
    assert store.asked == []


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (Wanted(session_id="t"), [event("1", "t")]),
        (Wanted(event_types=frozenset({"buy", "sell"})), [event("2", event_type="buy")]),
        (Wanted(states=frozenset({TailState.REFUSED})), []),
    ],
)
def test_filters(wanted: Wanted, shown: list[TailRecord]) -> None:
    came = [session(), event("1", "t"), event("2", event_type="buy"), event("3")]
    assert watch([came], wanted) == shown


def test_what_is_not_shown_is_watched_when_its_end_is() -> None:
    wanted = Wanted(states=frozenset({TailState.JOINED}))
    assert states(watch([[session(), event()]], wanted, MemoryStore(JOINED))) == ["joined"]


def test_nothing_is_looked_up_when_nobody_wants_to_know() -> None:
    store = MemoryStore(JOINED)
    wanted = Wanted(states=frozenset({TailState.ACCEPTED, TailState.REFUSED}))
    assert states(watch([[event()]], wanted, store)) == ["accepted"]
    assert store.asked == []


def test_events_of_a_user_are_those_of_the_sessions_that_came() -> None:
    wanted = Wanted(user_ids=("ann",))
    came = [
        event("1", "old"),
        session("s", "ann"),
        session("t", "bob"),
        event("2"),
        event("3", "t"),
    ]
    assert watch([came], wanted) == [session("s", "ann"), event("2")]
    hidden = Wanted(user_ids=("ann",), states=frozenset({TailState.JOINED}))
    assert states(watch([[session("s", "ann")], [event()]], hidden, MemoryStore(JOINED))) == [
        "joined"
    ]


def test_an_event_of_a_user_may_be_read_a_little_before_its_session() -> None:
    wanted = Wanted(user_ids=("ann",))
    batches = [[event("1"), event("2", "t")], [], [event("3"), session("s", "ann")]]
    assert watch(batches, wanted) == [session("s", "ann"), event("3"), event("1")]
    late = [[event("1")], *[[]] * 12, [session("s", "ann"), event("2")]]
    assert watch(late, wanted=Wanted(user_ids=("ann",)), turns=20) == [
        session("s", "ann"),
        event("2"),
    ]


def test_what_is_held_back_for_a_user_has_a_bound() -> None:
    batches = [[event(str(n)) for n in range(2_000)], [session("s", "ann")]]
    lines = watch(batches, Wanted(user_ids=("ann",), per_second=10_000))
    assert [line.event_id for line in lines] == [None, *map(str, range(1_000, 2_000))]


def test_the_sessions_of_a_user_are_forgotten_before_they_are_too_many() -> None:
    wanted = Wanted(user_ids=("ann",))
    for number in range(10_001):
        assert wanted.matches(session(f"s{number}", "ann"))
    assert not wanted.matches(event(session_id="s0"))
    assert wanted.matches(event(session_id="s1"))


def test_a_flood_is_sampled_and_what_is_left_out_is_counted() -> None:
    flood = [event(str(number)) for number in range(500)]
    lines = watch([flood, flood], Wanted(per_second=3), over=1_000, turns=4)
    accepted = [line for line in lines if line.state == "accepted"]
    assert [line.event_id for line in accepted] == ["0", "1", "2"]
    (skipped,) = [line for line in lines if line.state == "skipped"]
    assert skipped.records == 2 * 500 - 3 + 1_000


def test_each_second_has_its_own_sample() -> None:
    flood = [event(str(number)) for number in range(5)]
    wanted = Wanted(per_second=2, states=frozenset({TailState.ACCEPTED}))
    lines = watch([flood] * 11, wanted, turns=11)  # in three seconds
    assert states(lines).count("accepted") == 6


def test_what_is_watched_is_bounded() -> None:
    clock, store = ManualClock(), MemoryStore()
    outcomes = Outcomes(EventReader(store, "c.events", 1.0), clock)

    async def test() -> None:
        for number in range(5_000):
            outcomes.watch(EventId("s", str(number)))
        for _ in range(2_000):
            clock.advance(0.6)
            await outcomes.look()

    asyncio.run(test())
    asked = {id_ for values in store.values for id_ in values.get("event_ids", ())}
    assert asked == {str(number) for number in range(3_000, 5_000)}
    assert max(len(values.get("event_ids", ())) for values in store.values) == 100


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ({"states": ["joined", "lost"]}, "query.state"),
        ({"states": ["accepted", ""]}, "query.state"),
        ({"session_id": " "}, "query.session_id"),
        ({"user_ids": ("u" * 513,)}, "query.user_id"),
        ({"event_types": ""}, "query.event_type"),
        ({"event_types": "click,"}, "query.event_type"),
        ({"per_second": 0}, "query.per_second"),
        ({"per_second": 201}, "query.per_second"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(words: dict[str, Any], place: str) -> None:
    right: dict[str, Any] = {
        **{"states": (), "session_id": None, "user_ids": (), "event_types": None},
        "per_second": 20,
    }
    with pytest.raises(InvalidRequest) as caught:
        parse_wanted(**{**right, **words})
    assert [error.path for error in caught.value.errors] == [place]


def test_no_state_is_all_states() -> None:
    assert parse_wanted((), None, (), None, 20).states == frozenset(TailState)
    assert parse_wanted([" joined ", "waiting"], None, (), None, 20).states == {"joined", "waiting"}
