"""Which offsets a replay reads, and when it refuses to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.operations.replay.coverage import Extent, plan
from clickstream.operations.replay.start_point import Earliest, FromOffset, FromTime, Origin
from core.errors import SetupError
from core.kafka.partitions import Partition

A, B = Partition("sessions", 0), Partition("events", 0)
T = 1_782_864_000_000


def test_earliest_reads_everything_and_keeps_nothing() -> None:
    planned = plan(Earliest(), {A: Extent(0, 10, 10), B: Extent(0, 5, None)})
    assert planned.starts == {A: 0, B: 0}
    assert planned.ends == {A: 10, B: 5}
    assert planned.records == 15
    assert not planned.keeps_older


def test_earliest_is_refused_when_the_beginning_is_gone() -> None:
    with pytest.raises(SetupError, match=r"events/0 begins at offset 3.*--from offset:3"):
        plan(Earliest(), {A: Extent(0, 10, 10), B: Extent(3, 5, 5)})


def test_an_offset_beyond_the_end_reads_nothing_there() -> None:
    planned = plan(FromOffset(7), {A: Extent(0, 10, 10), B: Extent(0, 5, 5)})
    assert planned.starts == {A: 7, B: 5}
    assert planned.keeps_older


def test_an_offset_that_is_gone_is_refused_with_the_first_one_that_all_have() -> None:
    extents = {A: Extent(4, 10, 10, low_time_ms=T), B: Extent(9, 20, 20, low_time_ms=T + 5)}
    with pytest.raises(SetupError, match=r"offset:9 or timestamp:2026-07-01T00:00:00.006Z"):
        plan(FromOffset(4), extents)


def test_an_offset_in_a_partition_that_was_emptied_is_refused() -> None:
    with pytest.raises(SetupError, match="begins at offset 10"):
        plan(FromOffset(4), {A: Extent(10, 10, 10)})


def test_a_time_begins_at_the_first_record_that_is_not_older() -> None:
    extents = {A: Extent(0, 10, 10, since=6), B: Extent(0, 5, 5, since=None)}
    assert plan(FromTime(T), extents).starts == {A: 6, B: 5}


def test_a_time_before_the_first_record_is_covered_when_nothing_was_deleted() -> None:
    assert plan(FromTime(T), {A: Extent(0, 10, 10, since=0)}).starts == {A: 0}


def test_a_time_is_refused_when_the_first_record_left_is_not_older() -> None:
    with pytest.raises(SetupError, match="no longer covers"):
        plan(FromTime(T), {A: Extent(4, 10, 10, since=4, low_time_ms=T)})


def test_a_time_in_a_partition_that_was_emptied_finds_nothing_to_rebuild() -> None:
    assert plan(FromTime(T), {A: Extent(10, 10, 10, since=None)}).starts == {A: 10}


def test_what_the_workers_have_not_written_yet_is_read_and_not_kept() -> None:
    planned = plan(FromOffset(8), {A: Extent(0, 10, 3), B: Extent(0, 10, None)})
    assert planned.starts == {A: 3, B: 0}


def test_what_is_neither_written_nor_in_the_log_is_told() -> None:
    with pytest.raises(SetupError, match="up to offset 3"):
        plan(FromOffset(8), {A: Extent(5, 10, 3)})


ORIGINS: st.SearchStrategy[Origin] = st.one_of(
    st.just(Earliest()), st.builds(FromOffset, st.integers(0, 30)), st.just(FromTime(T))
)


@st.composite
def extents(draw: st.DrawFn) -> Extent:
    low, committed, end = sorted(draw(st.tuples(*[st.integers(0, 20)] * 3)))
    since = draw(st.none() if low == end else st.one_of(st.none(), st.integers(low, end - 1)))
    return Extent(low, end, draw(st.sampled_from([committed, None])), since)


@given(origin=ORIGINS, extent=extents())
def test_every_offset_is_read_from_the_log_or_kept_as_it_is_stored(
    origin: Origin, extent: Extent
) -> None:
    try:
        planned = plan(origin, {A: extent})
    except SetupError:
        assert extent.low > 0
        return
    start = planned.starts[A]
    assert extent.low <= start <= extent.end
    if planned.keeps_older:
        assert start <= (extent.committed or 0)
    else:
        assert start == 0
