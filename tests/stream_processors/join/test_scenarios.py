"""Lives of a cluster that chance finds rarely, step by step."""

from __future__ import annotations

import pytest

from stream_processors.join import table_columns
from tests.stream_processors.cluster import Cluster
from tests.stream_processors.memory_sink import clean_up
from tests.stream_processors.records import event, mark, session
from tests.stream_processors.reference import Reference, compare, compare_capped


def post(cluster: Cluster, reference: Reference, *records: dict[str, object]) -> None:
    for record in records:
        cluster.append(record)
        reference.append(record)


def flush(cluster: Cluster, *, until_inserts: int | None = None) -> None:
    """The only worker takes all there is; with `until_inserts` it dies after so many."""
    worker = cluster.workers[0]
    for source in worker.positions:
        worker.fetch(source, 100)
    worker.begin()
    if until_inserts is None:
        worker.finish()
        cluster.commit(0)
    else:
        cluster.crash(0, until_inserts)


@pytest.mark.parametrize("inserts", range(5))
def test_a_crash_between_the_inserts_of_an_adoption_loses_no_event(inserts: int) -> None:
    cluster, reference = Cluster(1), Reference()
    post(cluster, reference, event("s", "early"))
    flush(cluster)
    post(cluster, reference, session("s"), event("s", "late"))
    flush(cluster, until_inserts=inserts)
    cluster.settle(with_clean_up=False)
    compare(cluster, reference)


def test_a_batch_of_before_the_rebalance_acknowledges_nothing_after_it() -> None:
    cluster, reference = Cluster(1), Reference()
    post(cluster, reference, event("s", "one"), event("s", "two"))
    worker = cluster.workers[0]
    (source,) = worker.positions
    worker.fetch(source, 1)
    worker.begin()
    cluster.rebalance(0)
    worker.fetch(source, 2)  # from the same offset, and further
    worker.finish()  # the first batch, of the generation before
    cluster.commit(0)
    cluster.crash(0, 0)
    cluster.settle(with_clean_up=False)
    compare(cluster, reference)


@pytest.mark.parametrize("is_filter_filled", [False, True])
def test_a_worker_that_takes_over_knows_what_is_stored(is_filter_filled: bool) -> None:
    cluster, reference = Cluster(1), Reference()
    post(cluster, reference, session("s"))
    flush(cluster)
    cluster.crash(0, 0)
    if is_filter_filled:
        cluster.workers[0].fill_filter()
    post(cluster, reference, session("s", ["changed"]), event("s", "e"))
    flush(cluster)
    cluster.settle(with_clean_up=False)
    compare(cluster, reference)


def test_what_waits_already_counts_for_the_cap() -> None:
    cluster, reference = Cluster(1, index_bytes=0, most_waiting=1), Reference()
    for event_id in "abc":
        post(cluster, reference, event("s", event_id))
        flush(cluster)
    cluster.settle(with_clean_up=False)
    compare_capped(cluster, reference, 1)


def test_a_session_read_before_and_after_a_takeover_has_one_day() -> None:
    cluster, reference = Cluster(1), Reference()
    post(cluster, reference, session("s"))
    (source,) = cluster.workers[0].positions
    cluster.workers[0].fetch(source, 1)
    cluster.workers[0].begin()
    zombie = cluster.lose_without_noticing(0)
    flush(cluster)
    zombie.finish()
    cluster.settle(with_clean_up=False)
    compare(cluster, reference)


def test_workers_that_flush_at_the_same_time_miss_no_pair() -> None:
    cluster, reference = Cluster(3), Reference()
    for name in ("s", "t", "u", "v"):
        post(cluster, reference, session(name), event(name, "e"))
    for worker in cluster.workers:
        for source in worker.positions:
            worker.fetch(source, 100)
        worker.begin()
    for number, worker in enumerate(cluster.workers):
        worker.finish()
        cluster.commit(number)
    cluster.settle(with_clean_up=False)
    compare(cluster, reference)


def waiting_for_a_session_that_a_dead_worker_stored() -> tuple[Cluster, Reference]:
    """The event was flushed while its session was not stored, and the session after it."""
    cluster, reference = Cluster(1), Reference()
    post(cluster, reference, session("s"))
    (sessions,) = cluster.workers[0].positions
    cluster.workers[0].fetch(sessions, 1)
    cluster.workers[0].begin()
    zombie = cluster.lose_without_noticing(0)
    zombie.write_one()  # it adopts: nothing waits yet
    post(cluster, reference, event("s", "e"))
    (events,) = cluster.workers[0].positions.keys() - {sessions}
    cluster.workers[0].fetch(events, 1)
    cluster.workers[0].begin()  # the session is not stored yet
    cluster.workers[0].finish()
    cluster.commit(0)
    zombie.finish()  # now it is
    return cluster, reference


def test_a_session_that_a_dead_worker_stored_still_adopts() -> None:
    """Its successor reads it again, finds it stored, and events have been waiting meanwhile."""
    cluster, reference = waiting_for_a_session_that_a_dead_worker_stored()
    cluster.crash(0, 0)
    cluster.settle(with_clean_up=False)
    compare(cluster, reference)


def test_the_clean_up_between_two_workers_deletes_no_event_that_is_not_joined() -> None:
    cluster, reference = waiting_for_a_session_that_a_dead_worker_stored()
    clean_up(cluster.store)
    cluster.crash(0, 0)
    cluster.settle(with_clean_up=False)
    compare(cluster, reference)


def test_a_session_that_a_reader_can_see_has_what_came_before_it() -> None:
    cluster, reference = Cluster(1), Reference()
    post(cluster, reference, event("s", "early"))
    flush(cluster)
    post(cluster, reference, session("s"), event("s", "late"), mark("s"))
    (worker,) = cluster.workers
    for source in worker.positions:
        worker.fetch(source, 100)
    worker.begin()
    tables = cluster.store.tables
    while worker.write_one():
        if tables[table_columns.SESSIONS]:
            assert {row["event_id"] for row in tables[table_columns.EVENTS].values()} == {
                "early",
                "late",
            }
            assert tables[table_columns.MARKS]
    assert tables[table_columns.SESSIONS]
