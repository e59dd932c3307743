"""When facts are computed, and what is noted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from prometheus_client import REGISTRY

from core.errors import SinkUnavailable, StatementRefused
from core.kafka.partitions import Partition
from stream_processors.join import table_columns
from stream_processors.write.facts import FactsTable
from stream_processors.write.facts_refresh import (
    PORTION,
    SHORTEST_SECONDS,
    FactsRefresh,
    FactsSchedule,
)
from stream_processors.write.sink import TOUCHED, FactsPortion
from tests.clock import ManualClock
from tests.stream_processors.flushing import World
from tests.stream_processors.memory_sink import MemorySink
from tests.stream_processors.records import TOPICS, event, mark, session

DAY = date(2023, 11, 14)
SESSIONS, EVENTS = Partition(TOPICS.sessions, 0), Partition(TOPICS.events, 0)
MARKS = Partition(TOPICS.marks, 0)


class Spy(MemorySink):
    """Says which sessions were computed; `portions` are what predecessors have left."""

    def __init__(self) -> None:
        super().__init__()
        self.computed: list[list[str]] = []
        self.portions: list[FactsPortion] = []
        self.looked = 0
        self.is_away = False

    def refresh_facts(self, touched: pa.Table) -> None:
        if self.is_away:
            raise SinkUnavailable("away")
        self.computed.append(sorted(touched["session_id"].to_pylist()))

    def missing_facts(
        self, sessions: Mapping[int, int], events: Mapping[int, int]
    ) -> Sequence[FactsPortion]:
        del sessions, events
        self.looked += 1
        return self.portions

    def refresh_missing_facts(self, portion: FactsPortion) -> None:
        self.computed.append([f"portion {portion.number}"])


@pytest.fixture
def sink() -> Spy:
    return Spy()


@pytest.fixture
def facts(sink: Spy) -> FactsRefresh:
    return FactsRefresh(sink, TOPICS, epoch=0)


def named(*ids: str, is_posted: bool = False) -> pa.Table:
    columns = [list(ids), [DAY] * len(ids), [0] * len(ids), [int(is_posted)] * len(ids)]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, TOUCHED, strict=True)]
    return pa.table(arrays, schema=TOUCHED)


def portions(count: int) -> list[FactsPortion]:
    return [FactsPortion(DAY, number, count, {}) for number in range(count)]


def test_each_touched_session_is_computed_once(sink: Spy, facts: FactsRefresh) -> None:
    facts.touch(named("a", "b"))
    facts.touch(named("a", is_posted=True), named("c"))
    facts.step({})
    facts.step({})
    assert sink.computed == [["a", "b", "c"]]


def test_what_could_not_be_computed_is_computed_later(sink: Spy, facts: FactsRefresh) -> None:
    facts.touch(named("a"))
    sink.is_away = True
    with pytest.raises(SinkUnavailable):
        facts.step({})
    sink.is_away = False
    facts.touch(named("b"))
    assert facts.is_under_way
    facts.step({})
    facts.step({})
    assert sink.computed == [["a"], ["b"]]


def test_very_many_sessions_are_computed_in_portions_between_flushes(
    sink: Spy, facts: FactsRefresh
) -> None:
    """And what is touched meanwhile waits, so that the portions end."""
    facts.assigned([0])
    many = [f"s{n:05}" for n in range(2 * PORTION + 1)]
    facts.touch(named(*many))
    assert not facts.step({SESSIONS: 7})
    facts.touch(named("late"))
    assert not facts.step({SESSIONS: 8})
    assert sink.noted == {}
    assert facts.step({SESSIONS: 9})
    assert sink.noted == {SESSIONS: 7}
    assert [len(each) for each in sink.computed] == [1, PORTION, PORTION]
    assert sorted(each for ids in sink.computed for each in ids) == many
    assert facts.step({SESSIONS: 9})
    assert sink.computed[-1] == ["late"]
    assert sink.noted == {SESSIONS: 9}


def test_sessions_that_are_touched_again_and_again_are_remembered_once(
    sink: Spy, facts: FactsRefresh
) -> None:
    same = named(*(f"s{n}" for n in range(PORTION)))
    for _ in range(40):
        facts.touch(same)
        assert facts._touched.num_rows <= 120_000 + PORTION
    assert not facts.is_full
    facts.refresh()
    assert [len(each) for each in sink.computed] == [PORTION]


def test_progress_is_noted_when_nothing_of_predecessors_is_left(
    sink: Spy, facts: FactsRefresh
) -> None:
    sink.portions = portions(2)
    facts.assigned([0])
    committed = {SESSIONS: 7, EVENTS: 8, MARKS: 9, Partition(TOPICS.events, 1): 5}
    assert not facts.step(committed)
    assert sink.noted == {}
    assert facts.step(committed)
    assert sink.computed == [["portion 1"], ["portion 0"]]
    assert sink.noted == {SESSIONS: 7, EVENTS: 8, MARKS: 9}


def test_a_new_assignment_is_looked_through_anew_although_it_has_the_same_partitions(
    sink: Spy, facts: FactsRefresh
) -> None:
    """Somebody else may have written in between."""
    sink.portions = portions(2)
    facts.assigned([0])
    facts.step({})
    facts.assigned([0])
    facts.step({SESSIONS: 7})
    assert sink.looked == 2
    assert sink.noted == {}
    facts.assigned([0])
    sink.portions = []
    facts.step({SESSIONS: 7})
    assert sink.looked == 3
    assert sink.noted == {SESSIONS: 7}


def test_without_an_assignment_nothing_is_noted(sink: Spy, facts: FactsRefresh) -> None:
    assert facts.step({SESSIONS: 7})
    assert sink.noted == {}
    assert sink.looked == 0


class SlowSpy(Spy):
    """Takes so many seconds for a computation."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock
        self.seconds = 0.0

    def refresh_facts(self, touched: pa.Table) -> None:
        self._clock.advance(self.seconds)
        super().refresh_facts(touched)


class Schedule:
    """Of facts that are touched before each run."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sink = SlowSpy(self.clock)
        self.facts = FactsRefresh(self.sink, TOPICS, epoch=0)
        self.schedule = FactsSchedule(self.facts, self.clock)

    def run(self, seconds: float, sessions: int = 1) -> None:
        self.sink.seconds = seconds
        self.facts.touch(named(*(f"s{n}" for n in range(sessions))))
        self.schedule.run({})

    def pause(self, *, is_idle: bool) -> float:
        """How long it pauses, seconds; at most a minute."""
        for halves in range(121):
            if self.schedule.is_due(is_idle=is_idle):
                return halves / 2
            self.clock.advance(0.5)
        raise AssertionError("it is never due")


@pytest.mark.parametrize("is_idle", [False, True])
@pytest.mark.parametrize(
    ("takes", "pause"), [(0, SHORTEST_SECONDS), (0.1, 2), (0.15, 3), (0.5, 3.5), (0.75, 3.5)]
)
def test_it_pauses_twenty_times_as_long_as_it_takes_and_not_for_long(
    takes: float, pause: float, is_idle: bool
) -> None:
    schedule = Schedule()
    schedule.run(takes)
    assert schedule.pause(is_idle=is_idle) == pause


def test_in_a_backlog_it_pauses_four_times_as_long_as_it_takes() -> None:
    schedule = Schedule()
    schedule.run(10)
    assert schedule.pause(is_idle=False) == 40
    schedule.run(10)
    assert schedule.pause(is_idle=True) == 3.5


def test_there_is_no_pause_between_portions() -> None:
    schedule = Schedule()
    schedule.run(2, sessions=2 * PORTION)
    assert schedule.pause(is_idle=False) == 0
    schedule.run(2, sessions=0)
    assert schedule.pause(is_idle=False) == 16


def test_what_fails_is_tried_again_after_a_pause() -> None:
    schedule = Schedule()
    schedule.sink.is_away = True
    schedule.run(0)
    assert schedule.pause(is_idle=True) == SHORTEST_SECONDS
    schedule.sink.is_away = False
    schedule.run(0, sessions=0)
    assert schedule.sink.computed == [["s0"]]


def test_many_sessions_end_the_pause_and_are_computed_in_portions() -> None:
    """A flush computes none of them: it would hold up the partition for seconds."""
    schedule = Schedule()
    schedule.run(10)
    schedule.facts.touch(named(*(f"s{n}" for n in range(8 * PORTION))))
    assert not schedule.facts.is_full
    assert schedule.pause(is_idle=False) == 0
    schedule.run(0, sessions=0)
    assert len(schedule.sink.computed[-1]) == PORTION
    assert schedule.facts.is_under_way


def test_many_sessions_that_cannot_be_computed_wait_for_the_pause() -> None:
    schedule = Schedule()
    schedule.sink.is_away = True
    schedule.run(0, sessions=150_000)
    schedule.facts.touch(named(*(f"t{n}" for n in range(150_000))))
    assert schedule.pause(is_idle=False) == SHORTEST_SECONDS


def test_what_is_being_computed_counts_for_what_is_remembered(
    sink: Spy, facts: FactsRefresh
) -> None:
    facts.touch(named(*(f"s{n}" for n in range(300_000))))
    facts.step({})
    assert not facts.is_full
    facts.touch(named(*(f"t{n}" for n in range(250_000))))
    assert facts.is_full
    facts.refresh()
    assert not facts.is_full
    assert sum(map(len, sink.computed)) == 550_000


def test_the_lag_is_the_age_of_the_last_refresh_that_left_nothing(
    sink: Spy, facts: FactsRefresh
) -> None:
    clock = ManualClock()
    schedule = FactsSchedule(facts, clock)

    def lag() -> float | None:
        return REGISTRY.get_sample_value("clickstream_worker_facts_lag_seconds")

    clock.advance(2)
    schedule.run({})
    assert lag() == 0
    facts.touch(named("s"))
    sink.is_away = True
    clock.advance(3)
    schedule.run({})
    assert lag() == 3
    sink.is_away = False
    schedule.run({})
    assert lag() == 0


class PickyStatements:
    """Refuses some sessions, or every statement; `computed` are the sessions of all others."""

    def __init__(self, *refused: str, refuses_all: bool = False) -> None:
        self._refused = set(refused)
        self._refuses_all = refuses_all
        self.computed: set[str] = set()

    def run(self, statement: str, parameters: Mapping[str, Any], touched: pa.Table) -> None:
        del statement, parameters
        ids = set(touched["session_id"].to_pylist())
        if self._refuses_all or ids & self._refused:
            raise StatementRefused("no")
        self.computed |= ids


@pytest.mark.parametrize("ids", [["bad"], ["bad", "s"], ["bad", "worse"]])
def test_a_session_whose_facts_are_refused_holds_up_nobody(
    ids: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    statements = PickyStatements("bad", "worse")
    FactsTable(statements).refresh(named(*ids))  # type: ignore[arg-type] # as much as is needed
    assert statements.computed == set(ids) - {"bad", "worse"}
    named_in_log = [record.args[0] for record in caplog.records if isinstance(record.args, tuple)]
    assert named_in_log == [each for each in ids if each != "s"]


@pytest.mark.parametrize("count", [1, 3])
def test_facts_that_are_refused_of_every_session_are_waited_for(count: int) -> None:
    statements = PickyStatements(refuses_all=True)
    with pytest.raises(StatementRefused):
        FactsTable(statements).refresh(  # type: ignore[arg-type] # as above
            named(*(f"s{n}" for n in range(count)))
        )


class NoRefresh:
    """A worker whose refresh between flushes has stopped."""

    def __init__(self) -> None:
        self.world = World(sink=AwayForFacts())

    def flush(self, *records: dict[str, Any]) -> None:
        places = [self.world.log.append(record) for record in records]
        self.world.flush([self.world.log.batch(source, offset, 1) for source, offset in places])

    @property
    def marked(self) -> dict[str, bool]:
        """The facts that are stored, and whether they are those of a marked session."""
        facts = self.world.sink.tables[table_columns.FACTS].values()
        return {row["session_id"]: row["is_irrelevant"] for row in facts}


class AwayForFacts(MemorySink):
    """Computes no facts while it is `is_away`."""

    is_away = False

    def refresh_facts(self, touched: pa.Table) -> None:
        if self.is_away:
            raise SinkUnavailable("away")
        super().refresh_facts(touched)


def test_a_flush_with_a_mark_ends_with_the_facts_of_its_session() -> None:
    worker = NoRefresh()
    worker.flush(session("s"), event("s", "e"), session("t"))
    assert worker.marked == {}
    worker.flush(mark("s"))
    assert worker.marked["s"]
    worker.flush(mark("s", False), mark("t"), session("u"), mark("u"), session("v"))
    assert worker.marked == {"s": False, "t": True, "u": True}


def test_a_flush_with_a_mark_computes_the_marked_session_alone() -> None:
    """Marks come all the time; of the others, more events come first."""
    worker = NoRefresh()
    worker.flush(session("s"), session("t"))
    worker.flush(mark("s"), session("u"))
    assert worker.marked == {"s": True}


def test_a_marked_session_that_comes_later_never_counts() -> None:
    worker = NoRefresh()
    worker.flush(mark("s"))
    worker.flush(session("s"))
    assert worker.marked.get("s", True)
    worker.world.flush.facts.refresh()
    assert worker.marked == {"s": True}


def test_a_mark_is_not_committed_before_facts_that_cannot_be_computed() -> None:
    """The flush does not end, so its offsets are not committed, and nobody is told that it is
    done. It comes again after a crash."""
    worker = NoRefresh()
    worker.flush(session("s"))
    worker.world.sink.is_away = True  # type: ignore[attr-defined] # see NoRefresh
    schedule = FactsSchedule(worker.world.flush.facts, ManualClock())
    schedule.run({})
    with pytest.raises(SinkUnavailable):
        worker.flush(mark("s"))
    worker.world.sink.is_away = False  # type: ignore[attr-defined] # see NoRefresh
    worker.world.restart()
    worker.world.flush(worker.world.log.batches())
    assert worker.marked == {"s": True}
