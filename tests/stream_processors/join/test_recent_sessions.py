from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from core.kafka.partitioner import murmur2
from stream_processors.join.recent_sessions import KNOWN, RecentSessions


def known(*ids: str, created_at: int = 1) -> pa.Table:
    return pa.table(
        [
            pa.array(ids, pa.string()),
            pa.array([created_at] * len(ids), pa.timestamp("ms")),
            pa.array([7] * len(ids), pa.int32()).cast(pa.date32()),
            pa.array([[f"{id_}-object"] for id_ in ids], pa.list_(pa.string())),
            pa.array([9] * len(ids), pa.uint64()),
        ],
        schema=KNOWN,
    )


def found(index: RecentSessions, *ids: str) -> dict[str, list[str]]:
    table = index.find(pa.array(ids, pa.string()))
    assert table.schema == KNOWN
    return dict(zip(table["session_id"].to_pylist(), table["object_ids"].to_pylist(), strict=True))


def test_what_was_admitted_is_found_with_its_list() -> None:
    index = RecentSessions(1_000_000)
    index.admit(known("a", "b"))
    index.admit(known("c"))
    assert found(index, "a", "c", "nobody") == {"a": ["a-object"], "c": ["c-object"]}


def test_an_id_asked_for_twice_comes_once() -> None:
    index = RecentSessions(1_000_000)
    index.admit(known("a"))
    assert index.find(pa.array(["a", "a"])).num_rows == 1


def test_the_first_admission_stays() -> None:
    index = RecentSessions(1_000_000)
    index.admit(known("a", created_at=1))
    index.admit(known("a", "b", created_at=2))
    rows = index.find(pa.array(["a"]))
    assert rows["created_at"].cast(pa.int64()).to_pylist() == [1]
    assert len(index) == 2


def test_more_sessions_at_once_than_a_location_can_tell_apart_are_all_found() -> None:
    last = 2**20 + 100_000
    index = RecentSessions(2**31)
    index.admit(known(*map(str, range(last + 1))))
    assert found(index, "0", str(last)) == {"0": ["0-object"], str(last): [f"{last}-object"]}


def test_memory_stays_below_its_bound_and_the_newest_sessions_stay() -> None:
    index = RecentSessions(100_000)
    for n in range(2_000):
        index.admit(known(f"s{n}"))
    assert index.nbytes <= 100_000
    assert 0 < len(index) < 2_000
    assert found(index, "s1999") == {"s1999": ["s1999-object"]}
    assert found(index, "s0") == {}


def test_what_was_decoded_together_with_an_admitted_session_is_let_go() -> None:
    before = pa.total_allocated_bytes()
    index = RecentSessions(1_000_000)
    index.admit(known(*(f"s{n}" for n in range(50_000))).slice(10, 3))
    assert len(index) == 3
    assert pa.total_allocated_bytes() - before < 10_000


def test_without_memory_nothing_is_remembered_and_nothing_breaks() -> None:
    index = RecentSessions(0)
    index.admit(known("a"))
    assert found(index, "a") == {}
    assert index.nbytes == 0


def test_of_ids_with_one_hash_each_is_found_with_its_own_list_or_not_at_all() -> None:
    # MurmurHash2 gives these one hash whatever its seed: two words of each differ in the highest
    # bit once they are mixed, and the second difference undoes the first. Clients may choose them.
    one, other = "ca8sgiFw", "\u30ab%\u72b9)"
    assert murmur2(one.encode()) == murmur2(other.encode())
    index = RecentSessions(1_000_000)
    index.admit(known(one, other, "third"))
    index.admit(known(other))
    assert found(index, "third") == {"third": ["third-object"]}
    assert found(index, one) | found(index, other) == found(index, one, other)
    assert len(found(index, one, other)) == 1
    index.forget(lambda ids: ids.to_numpy(zero_copy_only=False) == "third")
    assert found(index, "third") == {}
    assert len(found(index, one, other)) == 1


@given(st.lists(st.lists(st.integers(0, 60).map(str), min_size=1, max_size=20, unique=True)))
def test_an_index_large_enough_knows_exactly_what_was_admitted(batches: list[list[str]]) -> None:
    index = RecentSessions(10_000_000)
    for batch in batches:
        index.admit(known(*batch))
    everything = {id_ for batch in batches for id_ in batch}
    assert set(found(index, *map(str, range(61)))) == everything
    assert len(index) == len(everything)
