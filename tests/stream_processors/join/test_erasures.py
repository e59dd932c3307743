"""Erasures and the flush: whatever the order, the batches and the moment, the same rows remain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.erasures import dead_letter_hash, session_hash, user_hash
from stream_processors.join import table_columns
from stream_processors.join.erasures import Erased, HashSet
from tests.stream_processors.flushing import World
from tests.stream_processors.memory_sink import MemorySink, clean_up
from tests.stream_processors.records import NOW_MS, TOPICS, event, mark, session

CUT_OFF = NOW_MS + 5

ids = st.sampled_from(["s1", "s2", "s3"])
users = st.sampled_from(["ann", "bob", None])
moments = st.integers(NOW_MS, NOW_MS + 10)
sessions = st.builds(
    lambda id_, user, at: session(id_, user_id=user, received_at=at), ids, users, moments
)
events = st.builds(
    lambda id_, name, at: event(id_, name, received_at=at), ids, st.sampled_from("de"), moments
)
logs = st.lists(sessions | events | st.builds(mark, ids), max_size=14)

hashes = st.binary(min_size=16, max_size=16) | st.integers(0, 3).map(
    lambda n: bytes(8) + n.to_bytes(8, "big")  # alike in the half that is sorted
)


@given(st.sets(hashes), st.sets(hashes), st.lists(hashes))
def test_a_hash_set_is_a_set(some: set[bytes], more: set[bytes], asked: list[bytes]) -> None:
    for built in (HashSet(some | more), HashSet(some) | HashSet(more)):
        assert built.holds(asked).tolist() == [each in some | more for each in asked]


def test_only_what_the_edge_took_until_the_cut_off_is_erased() -> None:
    erased = Erased(1, {user_hash("ann"): CUT_OFF})
    taken = [CUT_OFF - 1, CUT_OFF, CUT_OFF + 1, CUT_OFF, CUT_OFF]
    names = ["ann", "ann", "ann", "bob", None]
    table = pa.table({"user_id": names, "received_at": pa.array(taken, pa.timestamp("ms"))})
    assert erased.of_users(table).tolist() == [True, True, False, False, False]


@dataclass
class Interrupted(MemorySink):
    """Calls `act` before the write of that number."""

    number: int = -1
    act: Callable[[], None] = lambda: None
    writes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        MemorySink.__init__(self)

    def write(self, table: str, rows: pa.Table) -> None:
        self.writes += 1
        if self.writes == self.number:
            self.act()
        super().write(table, rows)


def erase_ann(sink: MemorySink) -> None:
    """As the erasure does it: announce, find, announce what was found, delete."""
    sink.erasures[user_hash("ann")] = CUT_OFF
    found = [
        row["session_id"]
        for row in sink.tables[table_columns.SESSIONS].values()
        if row["user_id"] == "ann" and _ms(row["received_at"]) <= CUT_OFF
    ]
    sink.erased_sessions.update(map(session_hash, found))
    sink.erase(found)


def _ms(moment: Any) -> int:
    return int(np.datetime64(moment, "ms").astype(np.int64))


def expected(log: Sequence[dict[str, Any]]) -> tuple[set[str], set[tuple[str, str]], set[str]]:
    """Ids of sessions, of events joined or not, of marks: of every session that is not ann's by its
    first record."""
    firsts: dict[str, dict[str, Any]] = {}
    for record in log:
        if "search_results" in record:
            firsts.setdefault(record["session_id"], record)
    gone = {
        id_
        for id_, first in firsts.items()
        if first["user_id"] == "ann" and first["received_at"] <= CUT_OFF
    }
    stays = [record for record in log if record["session_id"] not in gone]
    return (
        set(firsts) - gone,
        {(r["session_id"], r["event_id"]) for r in stays if "event_id" in r},
        {r["session_id"] for r in stays if "is_irrelevant" in r},
    )


def stored(world: World) -> tuple[set[str], set[tuple[str, str]], set[str]]:
    clean_up(world.sink)
    return (
        set(world.sessions()),
        {*world.events(), *((key[0], key[1]) for key in world.unjoined())},
        {key[0] for key in world.sink.tables[table_columns.MARKS]},
    )


@given(logs, st.data())
def test_what_remains_depends_on_neither_batches_nor_the_moment(
    log: list[dict[str, Any]], data: st.DataObject
) -> None:
    """The erasure comes between two flushes or in the middle of one; a new worker takes over, with
    records that were written and not committed."""
    sink = Interrupted(number=data.draw(st.integers(-1, 12), "write before which it comes"))
    world = World(sink=sink, index_bytes=data.draw(st.sampled_from([0, 10_000_000])))
    sink.act = lambda: erase_ann(sink)
    begin = 0
    while begin < len(log):
        end = data.draw(st.integers(begin + 1, len(log)), "end of the flush")
        world.post_together(log[begin:end])
        if data.draw(st.booleans(), "restart and redeliver"):
            world.restart()
            world.flush_everything()
        if data.draw(st.booleans(), "erase"):
            erase_ann(sink)
        begin = end
    erase_ann(sink)
    assert stored(world) == expected(log)


@given(logs)
def test_a_replay_that_knows_the_erasure_comes_to_the_same(log: list[dict[str, Any]]) -> None:
    world = World()
    world.sink.erasures[user_hash("ann")] = CUT_OFF
    for record in log:
        world.post(record)
    assert stored(world) == expected(log)


def test_a_worker_that_has_the_session_in_memory_forgets_it() -> None:
    world = World()
    world.post(session("s1", user_id="ann"), session("s2", user_id="bob"))
    erase_ann(world.sink)
    world.post(event("s2", "e"))  # the flush that notices
    world.post(event("s1", "e"), event("s2", "f"))
    assert set(world.events()) == {("s2", "e"), ("s2", "f")}
    assert not world.unjoined()


def test_erased_dead_letters_are_not_kept_again() -> None:
    world = World()
    world.sink.erasures[user_hash("ann")] = CUT_OFF
    world.sink.erased_dead_letters.add(dead_letter_hash(b"names ann"))
    world.sink.erased_sessions.add(session_hash("s1"))
    for key, value in (("x", b"names ann"), ("s1", b"poison"), ("x", b"poison")):
        world.log.append_raw(TOPICS.events, key, value)
    world.flush_everything()
    assert [letter.rejected.record.value for letter in world.sink.dead_letters.values()] == [
        b"poison"
    ]
    assert [letter.rejected.record.key for letter in world.topic.dead_letters] == [b"x"]


def announce_ann(sink: MemorySink) -> None:
    """Only the user: nothing is found or deleted yet."""
    sink.erasures[user_hash("ann")] = CUT_OFF


def test_each_user_has_a_cut_off_of_their_own() -> None:
    erased = Erased(2, {user_hash("ann"): CUT_OFF, user_hash("bob"): CUT_OFF + 9})
    taken = pa.array([CUT_OFF + 1, CUT_OFF + 1], pa.timestamp("ms"))
    table = pa.table({"user_id": ["ann", "bob"], "received_at": taken})
    assert erased.of_users(table).tolist() == [False, True]


def test_events_that_are_written_while_their_session_is_erased_are_taken_back() -> None:
    sink = Interrupted()
    world = World(sink=sink)
    world.post(session("s1", user_id="ann"), session("s2", user_id="bob"))
    sink.act, sink.number = lambda: erase_ann(sink), sink.writes + 1
    world.post(event("s1", "e"), event("s2", "e"))
    assert set(world.events()) == {("s2", "e")}


def test_dead_letters_that_are_written_while_their_session_is_erased_are_taken_back() -> None:
    sink = Interrupted()
    world = World(sink=sink)
    world.post(session("s1", user_id="ann"), session("s2", user_id="bob"))
    sink.act, sink.number = lambda: erase_ann(sink), sink.writes + 1
    world.log.append_raw(TOPICS.events, "s1", b"poison")
    world.log.append_raw(TOPICS.events, "s2", b"poison")
    world.log.append(event("s2", "e"))
    world.flush_everything()
    assert [letter.rejected.record.key for letter in sink.dead_letters.values()] == [b"s2"]


def test_a_session_that_is_announced_and_not_deleted_yet_takes_no_events() -> None:
    world = World(index_bytes=0)
    world.post(session("s1", user_id="ann"))
    world.sink.erased_sessions.add(session_hash("s1"))
    world.restart()
    world.post(event("s1", "e"))
    assert not world.events()
    assert not world.unjoined()


def test_a_session_that_comes_again_after_its_user_is_erased_takes_its_events_with_it() -> None:
    world = World()
    world.post(session("s1", user_id="ann"))
    world.log.append(event("s1", "e"))
    announce_ann(world.sink)
    world.restart()
    world.flush_everything()
    assert not world.sessions()
    assert not world.events()
