from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letters import Attempt
from stream_processors.consume.batches import Record, Records
from stream_processors.decode.oversize import cut, sizes

HEADERS = st.lists(st.tuples(st.text(max_size=9), st.none() | st.binary(max_size=9)), max_size=3)
RECORDS = st.builds(
    Record,
    st.just(1),
    st.none() | st.binary(max_size=30),
    st.none() | st.binary(max_size=60),
    HEADERS,
)


def size_of(record: Record) -> int:
    return int(sizes(Records.of([record]))[0])


@given(RECORDS, st.integers(0, 120))
def test_what_is_kept_fits_and_what_is_not_is_counted(record: Record, most: int) -> None:
    kept, cut_bytes = cut(record, most)
    assert size_of(kept) <= most
    assert size_of(kept) + cut_bytes == size_of(record)
    assert (cut_bytes == 0) == (size_of(record) <= most)
    assert (record.value or b"").startswith(kept.value or b"")
    assert (record.key or b"").startswith(kept.key or b"")
    assert (kept.key is None, kept.value is None) == (record.key is None, record.value is None)


def test_which_letter_it_repeats_is_kept_when_other_headers_are_not() -> None:
    own = Attempt(3, 1041, 2).header()
    kept, _ = cut(Record(1, b"k", b"v", [("large", b"x" * 1_000), own]), 100)
    assert list(kept.headers) == [own]
