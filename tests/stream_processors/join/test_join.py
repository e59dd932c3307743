from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stream_processors.join.join import (
    Joined,
    anti_join,
    first_post_per_session,
    join,
    new_or_redelivered,
)
from stream_processors.join.recent_sessions import KNOWN


def sessions(**lists: list[str]) -> pa.Table:
    """Known sessions: id → what was shown."""
    ids = list(lists)
    return pa.table(
        [
            pa.array(ids, pa.string()),
            pa.array(range(100, 100 + len(ids)), pa.timestamp("ms")),
            pa.array(range(len(ids)), pa.int32()).cast(pa.date32()),
            pa.array(list(lists.values()), pa.list_(pa.string())),
            pa.array(range(len(ids)), pa.uint64()),
        ],
        schema=KNOWN,
    )


def events(*pairs: tuple[str, str]) -> pa.Table:
    """Events: (session_id, object_id)."""
    return pa.table(
        {
            "session_id": pa.array([session for session, _ in pairs], pa.string()),
            "object_id": pa.array([object_ for _, object_ in pairs], pa.string()),
            "n": pa.array(range(len(pairs)), pa.int64()),
        }
    )


def positions(joined: Joined) -> list[int]:
    rows: list[int] = joined.events["position"].to_pylist()
    return rows


def test_a_click_knows_the_place_of_its_object_in_the_list() -> None:
    joined = join(events(("s", "c"), ("s", "a"), ("t", "c")), sessions(s=["a", "b", "c"], t=["c"]))
    assert positions(joined) == [3, 1, 1]
    assert joined.unjoined.num_rows == 0


def test_an_object_listed_twice_counts_at_its_first_place() -> None:
    assert positions(join(events(("s", "a")), sessions(s=["b", "a", "a"]))) == [2]


def test_a_click_on_something_that_was_never_listed_is_kept_and_flagged() -> None:
    assert positions(join(events(("s", "x")), sessions(s=["a"], t=["x"]))) == [0]
    assert positions(join(events(("s", "x")), sessions(s=[]))) == [0]


def test_an_event_takes_the_day_and_the_time_of_its_session() -> None:
    row = join(events(("t", "x")), sessions(s=["x"], t=["x"])).events.to_pylist()[0]
    assert row["session_created_at"].microsecond == 101_000
    assert row["session_day"].toordinal() == 719_163 + 1


def test_an_event_without_its_session_is_set_aside_as_it_is() -> None:
    joined = join(events(("s", "a"), ("nobody", "a")), sessions(s=["a"]))
    assert joined.unjoined.to_pylist() == [{"session_id": "nobody", "object_id": "a", "n": 1}]
    assert joined.events.num_rows == 1


def test_joining_with_no_sessions_or_no_events_gives_empty_tables_with_all_columns() -> None:
    nothing = join(events(), sessions())
    assert "position" in nothing.events.schema.names
    assert join(events(("s", "a")), sessions()).unjoined.num_rows == 1


def test_of_a_session_posted_twice_the_lowest_offset_stays() -> None:
    posted = pa.table({"session_id": ["a", "b", "a"], "kafka_offset": [9, 3, 2], "q": [1, 2, 3]})
    assert first_post_per_session(posted).select(["session_id", "q"]).to_pylist() == [
        {"session_id": "a", "q": 3},
        {"session_id": "b", "q": 2},
    ]


def test_sessions_that_are_known_are_left_out() -> None:
    posted = pa.table({"session_id": ["a", "b"]})
    assert anti_join(posted, sessions(a=[]))["session_id"].to_pylist() == ["b"]


def test_a_session_is_fresh_when_it_is_unknown_or_known_by_the_same_record_or_a_later_one() -> None:
    stored = sessions(first=[], same=[], second=[])  # versions 0, 1 and 2, which fall with offsets
    posted = pa.table(
        {
            "session_id": ["first", "same", "second", "new"],
            "version": pa.array([5, 1, 1, 5], pa.uint64()),
        }
    )
    assert new_or_redelivered(posted, stored)["session_id"].to_pylist() == [
        "first",
        "same",
        "new",
    ]
    assert new_or_redelivered(posted, sessions()).num_rows == 4


ids = st.sampled_from(["s", "t", "u", "v"])
objects = st.sampled_from(["a", "b", "c", "ä", ""])


def test_where_all_rows_stay_none_is_copied() -> None:
    known = sessions(s=["a"], t=["b"])
    posted = known.append_column("kafka_offset", pa.array([2, 1]))
    assert first_post_per_session(posted) is posted
    assert anti_join(known, sessions(u=["a"])) is known
    assert new_or_redelivered(known, known) is known
    clicks = events(("s", "a"), ("t", "b"))
    assert text_of(join(clicks, known).events) == text_of(clicks)


def text_of(rows: pa.Table) -> int:
    """Where the characters of `object_id` are in memory."""
    address: int = rows["object_id"].chunk(0).buffers()[2].address
    return address


@given(
    known=st.dictionaries(ids, st.lists(objects, max_size=6)),
    asked=st.lists(st.tuples(ids, objects), max_size=30),
    chunk=st.integers(1, 7),
)
def test_the_columnar_join_agrees_with_the_obvious_one(
    known: dict[str, list[str]], asked: list[tuple[str, str]], chunk: int
) -> None:
    whole = events(*asked)
    pieces = [whole.slice(start, chunk) for start in range(0, max(1, len(asked)), chunk)]
    joined = join(pa.concat_tables(pieces), sessions(**known))
    expected: list[dict[str, Any]] = [
        {"n": n, "position": known[s].index(o) + 1 if o in known[s] else 0}
        for n, (s, o) in enumerate(asked)
        if s in known
    ]
    assert joined.events.select(["n", "position"]).to_pylist() == expected
    assert joined.unjoined["n"].to_pylist() == [
        n for n, (s, _) in enumerate(asked) if s not in known
    ]
