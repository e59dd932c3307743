"""The filter of seen sessions: never wrong about a new one, whatever it holds."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kafka.partitioner import partition_of
from core.settings import Settings
from schemas.contracts import SESSION
from stream_processors.join import table_columns
from stream_processors.join.join import first_post_per_session, with_day
from stream_processors.join.session_day import DayWindow
from stream_processors.join.stored_ids_filter import StoredIdsFilter, hashes_of
from stream_processors.write.sink import Sink
from tests.stream_processors.memory_sink import MemorySink
from tests.stream_processors.records import PARTITIONS, session
from tests.stream_processors.write.test_sink import decoded

names = st.text(max_size=40)
ALL = range(PARTITIONS)


def ids(*session_ids: str) -> pa.StringArray:
    return pa.array(session_ids, pa.string())


def complete(stored: list[str], capacity: int = 4096) -> StoredIdsFilter:
    seen = StoredIdsFilter(capacity, PARTITIONS)
    assert seen.begin(1, ALL, follows=False) == list(ALL)
    assert seen.fill(1, *hashes_of(ids(*stored)))
    seen.complete(1)
    return seen


@given(
    stored=st.lists(names),
    added=st.lists(names),
    asked=st.lists(names),
    capacity=st.integers(1, 99),
)
def test_what_is_stored_is_never_new(
    stored: list[str], added: list[str], asked: list[str], capacity: int
) -> None:
    seen = complete(stored, capacity)
    seen.add([ids(*added)])
    known = {*stored, *added}
    every = [*stored, *added, *asked]
    new = seen.certainly_not_stored(ids(*every)).tolist()
    assert not any(is_new and name in known for name, is_new in zip(every, new, strict=True))


def test_new_sessions_are_known_to_be_new() -> None:
    seen = complete([f"stored-{n}" for n in range(1000)], 2048)
    asked = ids(*(f"new-{n}" for n in range(1000)))
    assert seen.certainly_not_stored(asked).mean() > 0.97  # 16 bits an id


def test_nothing_is_certain_before_it_is_complete_nor_when_others_had_it_meanwhile() -> None:
    seen = StoredIdsFilter(64, PARTITIONS)
    assert not seen.certainly_not_stored(ids("s")).any()
    seen.begin(1, ALL, follows=False)
    assert not seen.certainly_not_stored(ids("s")).any()
    seen.complete(1)
    assert seen.certainly_not_stored(ids("s")).all()
    assert seen.begin(2, ALL, follows=False) == list(ALL)
    assert not seen.certainly_not_stored(ids("s")).any()


def test_a_partition_that_stays_is_not_read_again() -> None:
    seen = StoredIdsFilter(64, PARTITIONS)
    (of_0, of_1) = (next(n for n in names_of(p)) for p in (0, 1))
    seen.begin(1, {0}, follows=False)
    assert seen.fill(1, *hashes_of(ids(of_0)))
    seen.complete(1)
    assert seen.begin(2, {0, 1}, follows=True) == [1]
    news = names_of(0)
    assert seen.certainly_not_stored(ids(*news)).any()
    assert not seen.certainly_not_stored(ids(of_0, of_1)).any()
    assert not seen.is_complete
    seen.complete(2)
    assert seen.is_complete
    assert seen.certainly_not_stored(ids(of_0, of_1)).tolist() == [False, True]
    assert seen.begin(3, {1}, follows=True) == []
    assert not seen.certainly_not_stored(ids(*news)).any()
    assert seen.begin(4, {0, 1}, follows=True) == [0]


def test_a_reading_that_was_not_over_begins_again() -> None:
    seen = StoredIdsFilter(64, PARTITIONS)
    seen.begin(1, {0}, follows=False)
    assert seen.begin(2, {0}, follows=True) == [0]


def test_a_reading_of_an_assignment_that_is_over_counts_for_nothing() -> None:
    seen = StoredIdsFilter(64, PARTITIONS)
    seen.begin(1, ALL, follows=False)
    seen.begin(2, ALL, follows=True)
    assert not seen.fill(1, *hashes_of(ids("s")))
    seen.complete(1)
    assert not seen.is_complete


def test_without_memory_nothing_is_ever_certain() -> None:
    seen = StoredIdsFilter(0, PARTITIONS)
    seen.begin(1, ALL, follows=False)
    assert not seen.fill(1, *hashes_of(ids("s")))
    seen.complete(1)
    seen.add([ids("s")])
    assert not seen.certainly_not_stored(ids("t")).any()
    assert seen.nbytes == 0


def names_of(partition: int) -> list[str]:
    return [f"s{n}" for n in range(99) if partition_of(f"s{n}", PARTITIONS) == partition]


def _write(sink: Sink, *session_ids: str, kafka_partition: int | None = None) -> None:
    records = decoded(SESSION, *map(session, session_ids))
    posted = with_day(first_post_per_session(records), DayWindow(past=35, future=1))
    rows = table_columns.session_rows(posted, epoch=0)
    if kafka_partition is not None:
        column = pa.array([kafka_partition] * rows.num_rows, pa.uint32())
        at = rows.schema.get_field_index("kafka_partition")
        rows = rows.set_column(at, "kafka_partition", column)
    sink.write(table_columns.SESSIONS, rows)


@pytest.mark.parametrize("kind", ["memory", pytest.param("clickhouse", marks=pytest.mark.engines)])
def test_sessions_stored_when_topics_had_fewer_partitions_are_read_by_their_owner_of_today(
    request: pytest.FixtureRequest, kind: str
) -> None:
    from stream_processors.write.clickhouse import ClickHouseSink

    sink: Sink = MemorySink()
    if kind == "clickhouse":
        sink = ClickHouseSink(request.getfixturevalue("settings"))
    name = next(f"s{n}" for n in range(99) if partition_of(f"s{n}", PARTITIONS) == 3)
    _write(sink, name, kafka_partition=0)
    assert list(sink.stored_session_hashes([3], PARTITIONS))
    assert not list(sink.stored_session_hashes([0], PARTITIONS))


@pytest.mark.engines
def test_clickhouse_hashes_as_we_do(settings: Settings) -> None:
    from stream_processors.write.clickhouse import ClickHouseSink

    sink = ClickHouseSink(settings)
    names = ["a", "ab", "abc", "abcd", "ünï", "0123456789abcdef" * 3, "\x00\x01"]
    _write(sink, *names)
    partitions = {partition_of(name, PARTITIONS) for name in names}
    found = list(sink.stored_session_hashes(sorted(partitions), PARTITIONS))
    kafka = {int(value) for block, _ in found for value in block}
    plain = {int(value) for _, block in found for value in block}
    assert (kafka, plain) == tuple({int(h) for h in hashes} for hashes in hashes_of(ids(*names)))
    assert not list(sink.stored_session_hashes([99], PARTITIONS))
