from __future__ import annotations

from datetime import UTC
from typing import Any

import pyarrow as pa
import pytest

from core.errors import SinkUnavailable
from core.telemetry import WORKER_LOOKED_UP
from schemas.codec import Encoder
from schemas.contracts import EVENT
from schemas.dead_letters import Reason
from stream_processors.join import table_columns
from tests.stream_processors.flushing import World
from tests.stream_processors.memory_sink import MemorySink, clean_up
from tests.stream_processors.records import NOW_MS, event, mark, session


def test_a_session_and_its_click_are_joined() -> None:
    world = World()
    report = world.post(session("s", ["x", "a"]), event("s", "e", "a"))
    assert (report.sessions, report.joined, report.unjoined) == (1, 1, 0)
    assert world.events()["s", "e"]["position"] == 2


def test_a_click_that_comes_days_after_a_restart_is_joined_through_the_sink() -> None:
    world = World()
    world.post(session("s", ["x", "a"]))
    world.restart()
    world.post(event("s", "e", "a", received_at=NOW_MS + 5 * 86_400_000))
    assert world.events()["s", "e"]["position"] == 2
    assert world.events()["s", "e"]["session_day"] == world.sessions()["s"]["session_day"]


def test_late_session_adopts_its_earlier_clicks() -> None:
    world = World()
    assert world.post(event("s", "e1", "b"), event("s", "e2", "zzz")).unjoined == 2
    world.restart()
    report = world.post(session("s", ["a", "b"]))
    assert (report.adopted, report.joined) == (2, 2)
    assert world.events()["s", "e1"]["position"] == 2
    assert world.events()["s", "e2"]["position"] == 0


def test_adopted_clicks_wait_no_more_once_they_are_deleted() -> None:
    world = World()
    world.post(event("s", "e"), event("other", "e"))
    world.post(session("s"))
    clean_up(world.sink)
    assert list(world.unjoined()) == [("other", "e")]


def test_a_worker_deletes_what_it_adopted_or_what_anybody_did() -> None:
    theirs, ours = {"created_at": NOW_MS}, {"created_at": NOW_MS - 86_400_000}
    world = World()
    world.post(event("theirs", "e"), event("ours", "e"))
    world.post(session("theirs", **theirs))
    world.restart()  # before it was swept
    world.post(session("ours", **ours))
    world.flush.delete_adopted()
    assert list(world.unjoined()) == [("theirs", "e")]
    assert world.flush.clean_up_portion()
    assert list(world.unjoined()) == []


def test_what_could_not_be_deleted_is_deleted_the_next_time() -> None:
    world = World()
    world.post(event("s", "e"))
    world.post(session("s"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.sink, "delete_adopted", is_down)
        with pytest.raises(SinkUnavailable):
            world.flush.delete_adopted()
    world.flush.delete_adopted()
    assert list(world.unjoined()) == []


def test_an_event_that_missed_its_session_is_adopted_by_tidying_and_never_just_deleted() -> None:
    world = World()
    world.post(event("s", "e", "b"))
    waiting = dict(world.unjoined())
    world.post(session("s"))
    # As if a worker that could not know the session had written the event after it.
    world.unjoined().update(waiting)
    world.sink.tables[table_columns.EVENTS].clear()
    world.flush.delete_adopted()
    assert list(world.unjoined()) == [("s", "e")]
    assert world.flush.clean_up_portion()
    assert list(world.unjoined()) == []
    assert world.events()["s", "e"]["position"] == 2


@pytest.mark.parametrize("step", ["waiting_portion", "adopt_waiting", "delete_adopted"])
@pytest.mark.parametrize("portion", range(3))
def test_a_portion_that_could_not_be_cleaned_up_is_not_skipped(portion: int, step: str) -> None:
    world = World(sink=MemorySink(events_at_once=1))
    names = ("s", "t", "u")
    world.post(*(event(name, "e") for name in names))
    waiting = dict(world.unjoined())
    world.post(*(session(name) for name in names))
    # As if a worker that could not know the sessions had written the events after them.
    world.unjoined().update(waiting)
    world.sink.tables[table_columns.EVENTS].clear()
    for _ in range(portion):
        assert not world.flush.clean_up_portion()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.sink, step, is_down)
        with pytest.raises(SinkUnavailable):
            world.flush.clean_up_portion()
    for _ in range(2):  # what could not be deleted is left to the next round
        while not world.flush.clean_up_portion():
            pass
        assert set(world.events()) == {(name, "e") for name in names}
    assert world.unjoined() == {}


def test_a_session_for_which_very_many_wait_adopts_them_in_portions_after_its_flush() -> None:
    world = World(sink=MemorySink(events_at_once=2))
    world.post_together([event("s", f"e{n}", "b") for n in range(5)])
    world.post(event("other", "e"))
    report = world.post(session("s"), event("s", "new"))
    assert (report.left, report.adopted, list(world.events())) == (1, 0, [("s", "new")])
    joined, is_last = [], False
    while not is_last:
        is_last = world.flush.delete_adopted()
        joined.append(len(world.events()))
    assert joined == [3, 5, 6]
    assert {event["position"] for event in world.events().values()} == {1, 2}
    # Deletions take longer than joining: they are left to the clean-up of everything.
    assert len(world.unjoined()) == 6
    clean_up(world.sink)
    assert list(world.unjoined()) == [("other", "e")]


def is_down(*_: object) -> None:
    raise SinkUnavailable("it is down")


def test_the_order_of_arrival_leaves_no_trace() -> None:
    early, late = World(), World()
    early.post(session("s"), event("s", "e", "b"))
    late.post(event("s", "e", "b"))
    late.post(session("s"))
    clean_up(late.sink)
    assert early.sink.tables == late.sink.tables


def test_a_session_posted_again_changes_nothing() -> None:
    world = World()
    world.post(session("s", search_query="first"))
    before = dict(world.sessions())
    report = world.post(session("s", ["other"], search_query="second"))
    assert report.duplicates == 1
    assert world.sessions() == before


def test_a_session_posted_again_with_another_day_after_a_restart_changes_nothing() -> None:
    world = World()
    world.post(session("s"))
    world.restart()
    world.post(session("s", created_at=NOW_MS - 86_400_000))
    assert len(world.sink.tables[table_columns.SESSIONS]) == 1
    assert world.sessions()["s"]["created_at"].replace(tzinfo=UTC).timestamp() * 1000 == NOW_MS


def test_the_same_session_twice_in_one_flush_is_the_first() -> None:
    world = World()
    report = world.post(session("s", search_query="first"), session("s", search_query="second"))
    assert (report.sessions, report.duplicates) == (1, 1)
    assert world.sessions()["s"]["search_query"] == "first"


def test_an_event_posted_again_with_other_content_changes_nothing() -> None:
    world = World()
    world.post(session("s"), event("s", "e", "a"))
    world.post(event("s", "e", "b", event_type="purchase"))
    assert world.events()["s", "e"]["object_id"] == "a"


def test_a_second_version_of_a_waiting_event_does_not_replace_it() -> None:
    world = World()
    world.post(event("s", "e", "a"))
    world.post(event("s", "e", "b"))
    world.post(session("s"))
    assert world.events()["s", "e"]["object_id"] == "a"


def test_the_last_mark_counts_wherever_the_session_is() -> None:
    world = World()
    world.post(mark("s"))
    world.post(session("s"))
    assert world.irrelevant() == {"s"}
    world.post(mark("s", is_irrelevant=False))
    assert world.irrelevant() == set()


def test_reading_the_whole_log_again_changes_nothing() -> None:
    world = World()
    world.post(event("s", "e1"), session("s"), mark("t"))
    world.post(session("t"), event("t", "e"), event("s", "e1", "b"), event("nobody", "e"))
    clean_up(world.sink)
    before = {name: dict(table) for name, table in world.sink.tables.items()}
    world.restart()
    world.flush_everything()
    clean_up(world.sink)
    assert world.sink.tables == before


def test_a_worker_without_memory_is_just_as_right() -> None:
    rich, poor = World(), World(index_bytes=0)
    for world in (rich, poor):
        world.post(event("s", "e1"))
        world.post(session("s"))
        world.post(event("s", "e2", "b"), session("s", ["other"]))
    assert rich.sink.tables == poor.sink.tables


def test_sessions_become_visible_after_everything_that_came_before_them() -> None:
    world = World()
    written: list[str] = []
    write = world.sink.write

    def spy(table: str, part: pa.Table) -> None:
        written.append(table)
        write(table, part)

    world.sink.write = spy  # type: ignore[method-assign] # watches the order
    world.post(session("s"), event("s", "e"), event("nobody", "e"), mark("s"))
    assert written == [
        table_columns.MARKS,
        table_columns.EVENTS,
        table_columns.UNJOINED,
        table_columns.SESSIONS,
    ]


@pytest.mark.parametrize(
    "failing",
    [table_columns.MARKS, table_columns.EVENTS, table_columns.UNJOINED, table_columns.SESSIONS],
)
def test_a_crash_in_the_middle_of_a_flush_is_healed_by_the_redelivery(failing: str) -> None:
    def records() -> list[dict[str, Any]]:
        return [session("s"), event("s", "e"), event("t", "e"), mark("s")]

    undisturbed = World()
    undisturbed.post(*records())
    world = World()
    write = world.sink.write

    def break_at(table: str, part: pa.Table) -> None:
        if table == failing:
            raise SinkUnavailable("gone")
        write(table, part)

    world.sink.write = break_at  # type: ignore[method-assign] # the fault
    with pytest.raises(SinkUnavailable):
        world.post(*records())
    world.sink.write = write  # type: ignore[method-assign] # and its end
    world.restart()
    world.flush_everything()
    assert world.sink.tables == undisturbed.sink.tables


def test_a_session_that_was_not_written_is_not_remembered() -> None:
    world = World()
    write = world.sink.write

    def refuse(table: str, part: pa.Table) -> None:
        raise SinkUnavailable("gone")

    world.sink.write = refuse  # type: ignore[method-assign] # the fault
    with pytest.raises(SinkUnavailable):
        world.post(session("s"))
    world.sink.write = write  # type: ignore[method-assign] # and its end
    # The same worker, without a restart, reads the session again.
    world.flush_everything()
    assert set(world.sessions()) == {"s"}


def test_events_beyond_the_cap_of_their_session_are_kept_as_dead_letters() -> None:
    world = World(most_waiting=2)
    posts = [event("undefined", f"e{n}") for n in range(3)]
    world.post_together([*posts, event("other", "e")])
    report = world.post(event("undefined", "e3"))
    assert set(world.unjoined()) == {("undefined", "e0"), ("undefined", "e1"), ("other", "e")}
    assert [rejected.reason for rejected in report.rejected] == [Reason.TOO_MANY_WAITING]
    kept = [letter.rejected.record.value for letter in world.topic.dead_letters]
    assert kept == [Encoder(EVENT, world.log.schema_id(EVENT)).encode(p) for p in posts[2:]] + [
        Encoder(EVENT, world.log.schema_id(EVENT)).encode(event("undefined", "e3"))
    ]


def test_records_that_come_again_meet_the_same_decision_about_the_cap() -> None:
    world = World(most_waiting=2)
    world.post_together([event("undefined", f"e{n}") for n in (0, 1, 1, 2, 3)])
    first = set(world.unjoined()), set(world.sink.dead_letters)
    assert first == ({("undefined", "e0"), ("undefined", "e1")}, set(world.sink.dead_letters))
    world.restart()
    world.flush_everything()
    assert (set(world.unjoined()), set(world.sink.dead_letters)) == first
    assert len(world.sink.dead_letters) == 2


def test_events_that_waited_and_those_that_were_too_many_find_their_session() -> None:
    world = World(most_waiting=1)
    posts = [event("s", "e0"), event("s", "e1")]
    world.post_together(posts)
    assert world.post(session("s")).adopted == 1
    world.post(posts[1])  # as republishing does
    assert set(world.events()) == {("s", "e0"), ("s", "e1")}


def test_look_ups_are_counted_by_id() -> None:
    before = [WORKER_LOOKED_UP.labels(what)._value.get() for what in ("session", "waiting")]
    world = World(most_waiting=1)
    world.post_together([event("s", "e0"), event("s", "e1"), event("t", "e0")])
    after = [WORKER_LOOKED_UP.labels(what)._value.get() for what in ("session", "waiting")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 2]
