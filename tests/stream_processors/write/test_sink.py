"""One suite for every `Sink`: in memory, and real ClickHouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from core.clickhouse.layout import Layout
from core.clock import SystemClock
from core.errors import SinkUnavailable
from core.kafka.partitioner import partition_of
from core.kafka.partitions import Partition
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.dead_letters import Reason
from stream_processors.consume.batches import Record
from stream_processors.decode.batch import BatchDecoder, RejectedRecord
from stream_processors.join import table_columns
from stream_processors.join.join import as_known, join, join_stored, with_day
from stream_processors.join.session_day import DayWindow
from stream_processors.write import waiting_events
from stream_processors.write.sink import ADOPTED, BEFORE_ALL, DeadLetter, Sink
from tests.clickhouse_tables import on_table, truncate
from tests.stream_processors.memory_sink import KEYS, MemorySink, clean_up
from tests.stream_processors.records import (
    NOW_MS,
    PARTITIONS,
    Log,
    event,
    mark,
    session,
)
from tests.waiting import wait_until

if TYPE_CHECKING:
    from core.settings import Settings

WINDOW = DayWindow(past=100_000, future=100_000)


class Reader(Protocol):
    """What a reader of the store sees of a table, each key once, oldest offset first."""

    def __call__(self, table: str) -> list[dict[str, Any]]: ...


Store = tuple[Sink, Reader]


@pytest.fixture(params=["memory", pytest.param("clickhouse", marks=pytest.mark.engines)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        sink = MemorySink()
        yield sink, lambda table: list(sink.tables[table].values())
    else:
        yield from clickhouse_store(request.getfixturevalue("endless"))


@pytest.fixture(scope="module")
def endless(module_settings: Settings) -> Settings:
    """Tables that keep what is old: the records here are of 2023, and a waiting event of that age
    would be deleted."""
    on_table(module_settings, "ALTER TABLE {} REMOVE TTL", table_columns.UNJOINED)
    return module_settings


def clickhouse_store(settings: Settings) -> Iterator[Store]:
    """Empty, as the one in memory is."""
    from core import clickhouse
    from stream_processors.write.clickhouse import ClickHouseSink

    erasures = ("erasures", "erased_sessions", "erased_dead_letters")
    truncate(settings, *KEYS, "dead_letters", *erasures)
    with clickhouse.connect(settings) as client:

        def read(table: str) -> list[dict[str, Any]]:
            found = client.query(f"SELECT * FROM {table} FINAL ORDER BY kafka_offset")  # noqa: S608
            return list(found.named_results())

        yield ClickHouseSink(settings), read


def decoded(contract: Contract, *records: dict[str, Any]) -> pa.Table:
    """These records as the decoder would give them, at offsets 0, 1, …"""
    log = Log()
    sources = {log.append(record)[0] for record in records}
    decoder = BatchDecoder(contract, log.schema_id(contract), log.registry, PARTITIONS)
    return decoder.decode([log.batch(source) for source in sources]).rows


def session_table(*records: dict[str, Any]) -> pa.Table:
    return table_columns.session_rows(with_day(decoded(SESSION, *records), WINDOW), epoch=0)


def event_table(*records: dict[str, Any]) -> pa.Table:
    return table_columns.event_rows(decoded(EVENT, *records), epoch=0)


def ids(*session_ids: str) -> pa.Array:
    return pa.array(session_ids, pa.string())


def test_a_stored_session_is_found_with_its_list_and_its_day(store: Store) -> None:
    sink, _ = store
    sink.write(table_columns.SESSIONS, session_table(session("s", ["x", "y"]), session("t", [])))
    found = {row["session_id"]: row for row in sink.find_sessions(ids("s", "t", "u")).to_pylist()}
    assert set(found) == {"s", "t"}
    assert found["s"]["results"] == 2
    assert found["s"]["created_at"].timestamp() * 1000 == pytest.approx(NOW_MS, abs=86_400_000)
    assert found["s"]["session_day"].toordinal() == 719_163 + NOW_MS // 86_400_000


def test_events_are_joined_to_stored_sessions_as_to_those_in_memory(store: Store) -> None:
    sink, _ = store
    posted = session_table(session("s", ["x", "y", "y"]), session("t", []), session("u", ["y"]))
    sink.write(table_columns.SESSIONS, posted)
    clicks = [("u", "y"), ("s", "y"), ("t", "y"), ("s", "nowhere"), ("s", "x"), ("s", "y")]
    events = event_table(*(event(s, str(n), o) for n, (s, o) in enumerate(clicks)))
    stored = sink.find_sessions(events["session_id"].unique())
    rows = pc.index_in(events["session_id"], value_set=stored["session_id"].combine_chunks())
    asked = stored.take(rows).append_column("object_id", events["object_id"])
    from_store = join_stored(events, stored, sink.find_positions(asked))
    from_memory = join(events, as_known(posted)).events
    assert from_store.to_pylist() == from_memory.to_pylist()


def test_rows_come_back_as_they_were_written(store: Store) -> None:
    sink, read = store
    record = session("s", search_query="\x00 ünï", search_meta='{"a": 1.0}', user_id="u")
    record["search_results"] = [{"object_id": "x", "rank": 0.5, "meta": '{"b":[]}'}]
    sink.write(table_columns.SESSIONS, session_table(record))
    row = read(table_columns.SESSIONS)[0]
    assert row["search_query"] == "\x00 ünï"
    assert row["search_meta"] == '{"a":1.0}'
    assert (row["user_id"], row["sort_by"]) == ("u", None)
    assert row["search_results.rank"] == [0.5]
    assert row["search_results.meta"] == ['{"b":[]}']


def test_writing_the_same_rows_again_changes_nothing(store: Store) -> None:
    sink, read = store
    sessions, events = session_table(session("s")), event_table(event("s", "e"))
    joined = table_columns.joined_rows(join(events, as_known(session_table(session("s")))).events)
    for _ in range(3):
        sink.write(table_columns.SESSIONS, sessions)
        sink.write(table_columns.EVENTS, joined)
    assert len(read(table_columns.SESSIONS)) == 1
    assert len(read(table_columns.EVENTS)) == 1


def test_of_an_event_written_in_any_order_the_lowest_offset_stays(store: Store) -> None:
    sink, read = store
    both = event_table(event("s", "e", "first"), event("s", "e", "second"))
    sink.write(table_columns.UNJOINED, both.slice(1))
    sink.write(table_columns.UNJOINED, both.slice(0, 1))
    assert [row["object_id"] for row in read(table_columns.UNJOINED)] == ["first"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_an_event_that_is_twice_in_one_write_the_lowest_offset_stays(
    store: Store, order: tuple[int, int]
) -> None:
    """ClickHouse gets such a block as it is, and must find the double when it is read."""
    sink, read = store
    posted = session_table(session("s", ["first", "second"]))
    sink.write(table_columns.SESSIONS, pa.concat_tables([posted, posted]))
    twice = event_table(event("s", "e", "first"), event("s", "e", "second")).take(order)
    sink.write(
        table_columns.EVENTS, table_columns.joined_rows(join(twice, as_known(posted)).events)
    )
    assert [row["object_id"] for row in read(table_columns.EVENTS)] == ["first"]
    assert [row["session_id"] for row in read(table_columns.SESSIONS)] == ["s"]


def test_of_a_mark_written_in_any_order_the_highest_offset_stays(store: Store) -> None:
    sink, read = store
    both = table_columns.mark_rows(
        decoded(MARK, mark("s"), mark("s", is_irrelevant=False)), epoch=0
    )
    sink.write(table_columns.MARKS, both.slice(1))
    sink.write(table_columns.MARKS, both.slice(0, 1))
    assert [row["is_irrelevant"] for row in read(table_columns.MARKS)] == [False]


def test_waiting_events_are_counted_up_to_a_version_each_once(store: Store) -> None:
    sink, _ = store
    events = event_table(*(event(s, e) for s in ("s", "t") for e in ("e1", "e2", "e3")))
    for _ in range(2):
        sink.write(table_columns.UNJOINED, events)
    asked = events.select(["session_id", "version"]).filter(
        pc.is_in(events["event_id"], pa.array(["e1", "e3"]))
    )
    unknown = pa.table({"session_id": ["u"], "version": pa.array([0], pa.uint64())})
    counted = sink.count_waiting(pa.concat_tables([asked, unknown]))
    assert counted.to_pylist() == [0, 2, 0, 2, 0]


@pytest.mark.engines
def test_the_clean_up_goes_through_all_that_waits_in_portions(
    endless: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In ids that a parameter of a statement must escape, and with a session larger than a
    portion."""
    monkeypatch.setattr(waiting_events, "_EVENTS_AT_ONCE", 3)
    names = ["a\tb", "a'b\\", "ü\n", "undefined", "z", "\x7f"]
    posts = [event(name, str(n)) for name in names for n in range(5 if name == "z" else 2)]
    for sink, read in clickhouse_store(endless):
        sink.write(table_columns.UNJOINED, event_table(*posts))
        stored = session_table(*(session(name) for name in names if name != "undefined"))
        sink.write(table_columns.SESSIONS, stored)
        adoption = sink.adopt(as_known(session_table(session("z"), session("ü\n"))))
        assert (adoption.left, adoption.adopted["session_id"].to_pylist()) == (("z",), ["ü\n"])
        assert sink.adopt(as_known(session_table(session("z")))).left == ("z",)
        clean_up(sink)
        assert {row["session_id"] for row in read(table_columns.UNJOINED)} == {"undefined"}
        assert len(read(table_columns.EVENTS)) == len(posts) - 2


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Without time zones, and without what only ClickHouse knows."""
    return {
        name: row[name].replace(tzinfo=None) if isinstance(row[name], datetime) else row[name]
        for name in table_columns.EVENT_COLUMNS.names
    }


def adopt_as_new(sink: Sink, sessions: pa.Table) -> pa.Table:
    """Before they are stored."""
    adoption = sink.adopt(as_known(sessions))
    assert adoption.left == ()
    return adoption.adopted


def adopt_as_stored(sink: Sink, sessions: pa.Table) -> pa.Table:
    sink.write(table_columns.SESSIONS, sessions)
    portion = sink.waiting_portion(BEFORE_ALL)
    assert portion is not None
    assert portion.is_last
    return sink.adopt_waiting(portion)


@pytest.mark.parametrize("adopt", [adopt_as_new, adopt_as_stored])
def test_waiting_events_are_adopted_as_the_join_would(
    store: Store, adopt: Callable[[Sink, pa.Table], pa.Table]
) -> None:
    sink, read = store
    clicked = zip("123", "ab?", strict=True)
    waiting = event_table(*(event("s", name, object_id) for name, object_id in clicked))
    sink.write(table_columns.UNJOINED, waiting)
    sink.write(table_columns.UNJOINED, event_table(event("without a session", "1")))
    sessions = session_table(session("s", objects=["a", "b", "b"]), session("t"))
    for _ in range(2):
        adopted = adopt(sink, sessions)
        assert adopted.schema == ADOPTED
        assert adopted.select(["session_id", "waiting"]).to_pylist() == [
            {"session_id": "s", "waiting": 3}
        ]
        expected = table_columns.joined_rows(join(waiting, as_known(sessions)).events).to_pylist()
        found = [plain(row) for row in read(table_columns.EVENTS)]
        assert found == [plain(row) for row in expected]
        assert [row["position"] for row in found] == [1, 2, 0]
    assert len(read(table_columns.UNJOINED)) == 4


def test_nothing_of_an_erased_session_is_adopted(store: Store) -> None:
    sink, read = store
    sink.write(table_columns.UNJOINED, event_table(event("s", "e")))
    stored = session_table(session("s", user_id="u"))
    sink.write(table_columns.SESSIONS, stored)
    sink.write(table_columns.ERASED_SESSIONS, table_columns.erased_rows(stored))
    clean_up(sink)
    assert read(table_columns.EVENTS) == []


def adopted_by(sessions: pa.Table) -> pa.Table:
    """As if an event or two had waited for each."""
    waiting = pa.array([2] * sessions.num_rows, pa.uint64())
    return sessions.append_column("waiting", waiting).select(ADOPTED.names)


def test_waiting_events_are_deleted_that_are_joined_and_no_others(store: Store) -> None:
    sink, read = store
    waiting = event_table(event("s", "e"), event("s", "f"), event("t", "e"))
    sink.write(table_columns.UNJOINED, waiting)
    stored = session_table(session("s"))
    sink.write(table_columns.SESSIONS, stored)
    sink.delete_adopted(adopted_by(stored))
    assert len(read(table_columns.UNJOINED)) == 3, "a stored session is not enough"
    joined = table_columns.joined_rows(join(event_table(event("s", "e")), as_known(stored)).events)
    sink.write(table_columns.EVENTS, joined)
    sink.delete_adopted(adopted_by(stored))
    left = [(row["session_id"], row["event_id"]) for row in read(table_columns.UNJOINED)]
    assert sorted(left) == [("s", "f"), ("t", "e")]


def test_an_earlier_post_of_a_joined_event_is_not_deleted(store: Store) -> None:
    sink, read = store
    both = event_table(event("s", "e"), event("s", "e"))
    stored = session_table(session("s"))
    sink.write(table_columns.UNJOINED, both.slice(0, 1))
    later = table_columns.joined_rows(join(both.slice(1), as_known(stored)).events)
    sink.write(table_columns.EVENTS, later)
    sink.delete_adopted(adopted_by(stored))
    assert len(read(table_columns.UNJOINED)) == 1


def test_of_an_event_that_waited_twice_no_post_is_left(store: Store) -> None:
    """In `events` a merge, or the insert itself, keeps the first post alone."""
    sink, read = store
    both = event_table(event("s", "e"), event("s", "e"))
    for post in (both.slice(0, 1), both.slice(1)):
        sink.write(table_columns.UNJOINED, post)
    sink.delete_adopted(adopt_as_stored(sink, session_table(session("s"))))
    assert read(table_columns.UNJOINED) == []
    assert [row["kafka_offset"] for row in read(table_columns.EVENTS)] == [0]


def test_a_later_post_of_a_joined_event_is_deleted(store: Store) -> None:
    sink, read = store
    both = event_table(event("s", "e"), event("s", "e"))
    stored = session_table(session("s"))
    sink.write(table_columns.UNJOINED, both.slice(1))
    first = table_columns.joined_rows(join(both.slice(0, 1), as_known(stored)).events)
    sink.write(table_columns.EVENTS, first)
    sink.delete_adopted(adopted_by(stored))
    assert read(table_columns.UNJOINED) == []


def test_only_events_of_the_sessions_named_are_deleted(store: Store) -> None:
    sink, read = store
    sink.write(table_columns.UNJOINED, event_table(*(event(name, "e") for name in ("s", "t", "u"))))
    days_ago = {"s": 0, "t": 1, "u": 2}
    stored = [session(name, created_at=NOW_MS - n * 86_400_000) for name, n in days_ago.items()]
    tables = {record["session_id"]: session_table(record) for record in stored}
    adopt_as_stored(sink, pa.concat_tables(tables.values()))
    sink.delete_adopted(adopted_by(pa.concat_tables([tables["s"], tables["u"]])))
    assert [row["session_id"] for row in read(table_columns.UNJOINED)] == ["t"]


@pytest.mark.engines
def test_a_deletion_that_fails_is_ended_and_the_next_one_deletes(endless: Settings) -> None:
    from core import clickhouse

    layout = Layout.of(endless)
    left = (
        "SELECT count() AS mutations, countIf(latest_fail_reason != '') AS failing"  # noqa: S608 - ours
        f" FROM {layout.all_nodes('system.mutations')}"
        f" WHERE database = '{layout.shard_database}' AND table = 'unjoined_events' AND NOT is_done"
    )
    fails = "ALTER TABLE {} DELETE WHERE throwIf(event_id != '')"
    for sink, read in clickhouse_store(endless):
        sink.write(table_columns.UNJOINED, event_table(event("s", "e")))
        adopted = adopt_as_stored(sink, session_table(session("s")))
        with clickhouse.connect(endless) as client:
            on_table(endless, fails, table_columns.UNJOINED, mutations_sync=0)
            wait_until(lambda: client.query(left).first_row[1] >= 1, seconds=30)
            sink.delete_adopted(adopted)
            wait_until(lambda: client.query(left).first_row[0] == 0, seconds=30)
        assert len(read(table_columns.UNJOINED)) == 1
        sink.delete_adopted(adopted)
        assert read(table_columns.UNJOINED) == []


def test_a_write_over_more_days_than_one_insert_may_touch_is_split(store: Store) -> None:
    sink, read = store
    many = [session(f"s{n}", created_at=NOW_MS - n * 86_400_000) for n in range(130)]
    tables = [session_table(record) for record in many]
    sink.write(table_columns.SESSIONS, pa.concat_tables(tables))
    assert len(read(table_columns.SESSIONS)) == 130


@pytest.mark.engines
def test_a_refusal_that_does_not_pass_is_waited_for_in_the_words_of_clickhouse(
    endless: Settings,
) -> None:
    """As of a table that was altered by hand. The next worker would be refused as well."""
    sink, _ = next(clickhouse_store(endless))
    with pytest.raises(SinkUnavailable, match=r"ClickHouse refuses: .*search_query"):
        sink.write(table_columns.MARKS, session_table(session("s")))


def test_nothing_is_found_for_no_ids(store: Store) -> None:
    sink, _ = store
    assert sink.find_sessions(ids()).num_rows == 0


def letters(*offsets: int) -> Sequence[DeadLetter]:
    source = Partition("clickstream.events", partition_of("s", PARTITIONS))
    return [
        DeadLetter(
            RejectedRecord(
                source,
                Record(offset, b"\xff", b"\x00\xfe", [("h", b"\x01")]),
                Reason.UNDECODABLE,
                "cannot be read",
            ),
            SystemClock().now_ms(),
            epoch=0,
        )
        for offset in offsets
    ]


@pytest.mark.engines
def test_dead_letters_keep_their_bytes_and_are_stored_once(settings: Settings) -> None:
    from core import clickhouse
    from stream_processors.write.clickhouse import ClickHouseSink

    sink = ClickHouseSink(settings)
    sink.write_dead_letters(letters(1, 2))
    sink.write_dead_letters(letters(2))
    with clickhouse.connect(settings) as client:
        found = client.query(
            "SELECT offset, reason, hex(key), hex(value), hex(headers[1].value) "
            "FROM dead_letters FINAL ORDER BY offset"
        ).result_rows
    assert found == [
        (1, "undecodable", "FF", "00FE", "01"),
        (2, "undecodable", "FF", "00FE", "01"),
    ]
    sink.erase_dead_letters(letters(2, 3))
    with clickhouse.connect(settings) as client:
        assert client.query("SELECT offset FROM dead_letters FINAL").result_rows == [(1,)]


def test_what_is_erased_is_read_when_something_was_added(store: Store) -> None:
    sink, _ = store
    assert sink.read_erased(0) is None
    posted = session_table(session("s", user_id="u"), session("t", user_id="ü"))
    sink.write(table_columns.ERASED_SESSIONS, table_columns.erased_rows(posted))
    erased = sink.read_erased(0)
    assert erased is not None
    assert erased.tally == 2
    assert erased.of_ids(ids("r", "s", "t")).tolist() == [False, True, True]
    assert sink.read_erased(erased.tally) is None


def test_erasing_sessions_leaves_the_others(store: Store) -> None:
    sink, read = store
    odd = "o\t'\\é\x00"
    posted = session_table(session("s"), session(odd), session("t"))
    sink.write(table_columns.SESSIONS, posted)
    events = event_table(event("s", "e"), event(odd, "e"), event("t", "e"))
    sink.write(
        table_columns.EVENTS, table_columns.joined_rows(join(events, as_known(posted)).events)
    )
    sink.write(table_columns.UNJOINED, events)
    sink.write(
        table_columns.MARKS,
        table_columns.mark_rows(decoded(MARK, mark("s"), mark(odd), mark("t")), epoch=0),
    )
    sink.erase(["s", odd])
    for table in (
        table_columns.SESSIONS,
        table_columns.EVENTS,
        table_columns.UNJOINED,
        table_columns.MARKS,
    ):
        assert [row["session_id"] for row in read(table)] == ["t"]
