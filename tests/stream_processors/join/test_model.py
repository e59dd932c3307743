"""Random lives of a cluster against the obvious model: same tables, whatever the interleaving."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from stream_processors.join import table_columns
from tests.examples import examples
from tests.stream_processors.cluster import Cluster, FakeWorker, Store
from tests.stream_processors.memory_sink import MemorySink, clean_up
from tests.stream_processors.records import NOW_MS, TOPICS, event, mark, session
from tests.stream_processors.reference import Reference, compare, compare_capped

ids = st.sampled_from([f"s{n}" for n in range(3)])
event_ids = st.sampled_from(["e1", "e2"])
objects = st.sampled_from(["a", "b", "c"])
lists = st.lists(objects, max_size=4)
days = st.integers(0, 3).map(lambda n: NOW_MS - n * 86_400_000)
numbers = st.integers(0, 2)


class Life(RuleBasedStateMachine):
    """Three workers; records, fetches, flushes, commits, crashes, rebalances and zombies."""

    zombies = Bundle("zombies")

    def fresh_store(self) -> Store:
        return MemorySink()

    most_waiting = 10_000

    @initialize(index_bytes=st.sampled_from([0, 3_000_000]))
    def begin_life(self, index_bytes: int) -> None:
        self.cluster = Cluster(3, index_bytes, self.most_waiting, store=self.fresh_store())
        self.reference = Reference()

    def check(self) -> None:
        """Once everybody has settled."""
        compare(self.cluster, self.reference)

    def post(self, record: dict[str, Any]) -> None:
        self.cluster.append(record)
        self.reference.append(record)

    @rule(id_=ids, shown=lists, created_at=days)
    def post_session(self, id_: str, shown: list[str], created_at: int) -> None:
        self.post(session(id_, shown, created_at=created_at))

    @rule(id_=ids, event_id=event_ids, object_id=objects)
    def post_event(self, id_: str, event_id: str, object_id: str) -> None:
        self.post(event(id_, event_id, object_id))

    @rule(id_=ids, is_irrelevant=st.booleans())
    def post_mark(self, id_: str, is_irrelevant: bool) -> None:
        self.post(mark(id_, is_irrelevant))

    @rule(number=numbers, count=st.integers(1, 3))
    def fetch_some(self, number: int, count: int) -> None:
        worker = self.cluster.workers[number]
        for source in sorted(worker.positions):
            worker.fetch(source, count)

    @rule(number=numbers, topic=st.sampled_from([TOPICS.sessions, TOPICS.events]))
    def fetch_one_topic(self, number: int, topic: str) -> None:
        """A broker answers for the topics one by one."""
        worker = self.cluster.workers[number]
        for source in sorted(worker.positions):
            if source.topic == topic:
                worker.fetch(source, 100)

    @rule()
    def store_sessions_again(self) -> None:
        """Somebody else stores the sessions of the log, and adopts nothing: a restored table."""
        replay = self.cluster.spawn()
        replay.assign({s: 0 for s in self.cluster.committed if s.topic == TOPICS.sessions}, 0)
        for source in sorted(replay.positions):
            replay.fetch(source, 100)
        replay.begin()
        of_sessions = [w for w in replay.sink.pending if w.args[:1] == (table_columns.SESSIONS,)]
        replay.sink.pending = of_sessions
        replay.finish()

    @rule(number=numbers)
    def warm(self, number: int) -> None:
        """The worker knows from now on which sessions are new."""
        self.cluster.workers[number].fill_filter()

    @rule(number=numbers, all_of_it=st.booleans())
    def begin_flush(self, number: int, all_of_it: bool) -> None:
        worker = self.cluster.workers[number]
        if all_of_it:
            self.fetch_some(number, 100)
        if not worker.flushing:
            worker.begin()

    @rule(number=numbers)
    def an_ordinary_flush(self, number: int) -> None:
        """What happens most of the time."""
        worker = self.cluster.workers[number]
        worker.finish()
        self.begin_flush(number, all_of_it=True)
        worker.finish()
        self.cluster.commit(number)

    @rule(number=numbers)
    def finish_flush(self, number: int) -> None:
        self.cluster.workers[number].finish()

    @rule(number=numbers)
    def commit(self, number: int) -> None:
        self.cluster.commit(number)

    @rule(number=numbers, writes=st.integers(0, 3), midway=st.booleans())
    def crash(self, number: int, writes: int, midway: bool) -> None:
        if midway:
            self.begin_flush(number, all_of_it=True)
        self.cluster.crash(number, writes)

    @rule(number=numbers, shift=st.integers(0, 1))
    def rebalance(self, number: int, shift: int) -> None:
        self.begin_flush(number, all_of_it=False)
        self.cluster.rebalance(shift)

    @rule(number=numbers, target=zombies)
    def lose_without_noticing(self, number: int) -> FakeWorker:
        self.begin_flush(number, all_of_it=True)
        return self.cluster.lose_without_noticing(number)

    @rule(number=numbers, writes=st.one_of(st.none(), st.integers(0, 4)))
    def refresh_facts(self, number: int, writes: int | None) -> None:
        """With `writes`, it stands still after so many reads and inserts."""
        worker = self.cluster.workers[number]
        if not worker.flushing and not worker.sink.pending:
            worker.begin_facts()
            for _ in range(100 if writes is None else writes):
                worker.write_one()

    @precondition(lambda self: not self.reference.erased)
    @rule(id_=ids)
    def erase(self, id_: str) -> None:
        self.cluster.erase(id_)
        self.reference.erase(id_)

    @rule(writes=st.one_of(st.none(), st.integers(0, 6)))
    def replay(self, writes: int | None) -> None:
        """With `writes`, it is killed after so many inserts, and nobody goes on with it."""
        self.cluster.replay(writes)

    @rule(zombie=zombies)
    def zombie_refreshes_facts(self, zombie: FakeWorker) -> None:
        if not zombie.flushing:
            zombie.begin_facts()

    @rule(zombie=zombies, writes=st.one_of(st.none(), st.integers(0, 4)))
    def zombie_writes(self, zombie: FakeWorker, writes: int | None) -> None:
        zombie.finish(writes)

    @rule(zombie=zombies)
    def zombie_writes_one(self, zombie: FakeWorker) -> None:
        zombie.write_one()

    @rule()
    def sweep(self) -> None:
        clean_up(self.cluster.store)

    @precondition(lambda self: self.reference.sessions)
    @rule()
    def settle(self) -> None:
        self.cluster.settle()
        self.check()

    @invariant()
    def a_session_is_visible_once(self) -> None:
        stored = [
            row["session_id"] for row in self.cluster.store.tables[table_columns.SESSIONS].values()
        ]
        assert len(stored) == len(set(stored))

    def teardown(self) -> None:
        if hasattr(self, "cluster"):
            self.cluster.settle()
            self.check()


class CappedLife(Life):
    """One event may wait for a session; the others are kept as dead letters."""

    most_waiting = 1

    # More of them than in other lives: what is beyond the cap needs several of one session.
    @rule(id_=ids, event_ids=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3))
    def post_event(self, id_: str, event_ids: list[str]) -> None:
        for event_id in event_ids:
            self.post(event(id_, event_id))

    def check(self) -> None:
        compare_capped(self.cluster, self.reference, self.most_waiting)


TestLife = Life.TestCase
TestCappedLife = CappedLife.TestCase
TestCappedLife.settings = settings(max_examples=examples(30), stateful_step_count=50, deadline=None)
TestLife.settings = settings(max_examples=examples(60), stateful_step_count=50, deadline=None)
