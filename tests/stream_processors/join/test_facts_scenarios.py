"""Facts in lives of a cluster that chance finds rarely, step by step."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest

from tests.stream_processors.cluster import Cluster, FakeWorker
from tests.stream_processors.join.test_scenarios import flush, post
from tests.stream_processors.records import event, mark, session
from tests.stream_processors.reference import Reference, compare


def with_a_session() -> tuple[Cluster, Reference]:
    """A session with a click, flushed and committed; its facts are not computed."""
    cluster, reference = Cluster(1), Reference()
    post(cluster, reference, session("s"), event("s", "one"))
    flush(cluster)
    return cluster, reference


def computing(cluster: Cluster) -> FakeWorker:
    """A worker that has read what it computes facts from, is suspended, and replaced."""
    (worker,) = cluster.workers
    worker.begin_facts()
    worker.write_one()
    return cluster.lose_without_noticing(0)


def test_facts_that_a_dead_worker_has_not_computed_are_computed_by_the_next_one() -> None:
    cluster, reference = with_a_session()
    cluster.crash(0, 0)
    cluster.settle()
    compare(cluster, reference)


@pytest.mark.parametrize("writes", range(3))
def test_a_crash_between_facts_and_the_note_of_them_loses_none(writes: int) -> None:
    cluster, reference = with_a_session()
    cluster.settle()
    post(cluster, reference, event("s", "two"))
    flush(cluster)
    cluster.workers[0].begin_facts()
    cluster.crash(0, writes)
    cluster.settle()
    compare(cluster, reference)


def test_facts_follow_the_flushes_of_a_worker_that_runs() -> None:
    cluster, reference = with_a_session()
    cluster.settle()
    post(cluster, reference, event("s", "two", "b"))
    cluster.settle()
    compare(cluster, reference)


def test_what_is_touched_while_others_are_computed_is_not_noted_with_them() -> None:
    cluster, reference = with_a_session()
    post(cluster, reference, session("t"), event("t", "one"))
    flush(cluster)
    cluster.settle()
    (worker,) = cluster.workers
    post(cluster, reference, event("s", "two"), event("t", "two"))
    flush(cluster)
    assert not worker.begin_facts()
    worker.finish()
    post(cluster, reference, event("s", "three"), event("t", "three"))
    flush(cluster)
    assert worker.begin_facts()
    worker.finish()
    cluster.crash(0, 0)
    cluster.settle()
    compare(cluster, reference)


def test_facts_that_were_read_before_an_event_lose_against_those_with_it() -> None:
    cluster, reference = with_a_session()
    zombie = computing(cluster)
    post(cluster, reference, event("s", "two", "b"))
    cluster.settle()
    zombie.write_one()
    compare(cluster, reference)


def test_facts_that_were_read_before_a_mark_lose_against_those_with_it() -> None:
    cluster, reference = with_a_session()
    zombie = computing(cluster)
    post(cluster, reference, mark("s"))
    cluster.settle()
    zombie.write_one()
    compare(cluster, reference)


def test_facts_that_were_read_before_an_erasure_are_gone_after_it() -> None:
    cluster, reference = with_a_session()
    post(cluster, reference, session("t"))
    computing(cluster)
    cluster.erase("s")
    reference.erase("s")
    cluster.settle()
    compare(cluster, reference)


_STEPS_OF_REPLAY = 7


@pytest.mark.parametrize(
    ("second", "third"), [*combinations_with_replacement(range(_STEPS_OF_REPLAY), 2)]
)
def test_a_first_post_that_a_replay_brings_back_is_in_the_facts(second: int, third: int) -> None:
    """Two events come beside the replay, before these steps of it, and are computed at once."""
    cluster, reference = Cluster(1), Reference()
    post(cluster, reference, session("s", ["a"]))
    cluster.committed = dict.fromkeys(cluster.committed, 1)  # the worker never sees it
    cluster.rebalance(0)
    post(cluster, reference, session("s", ["a", "b"]), event("s", "one", "a"))
    flush(cluster)
    cluster.settle()
    replay = cluster.begin_replay()
    for step in range(_STEPS_OF_REPLAY):
        for event_id in ["second"] * (second == step) + ["third"] * (third == step):
            post(cluster, reference, event("s", event_id, "a"))
            flush(cluster)
            cluster.workers[0].begin_facts()
            cluster.workers[0].finish()
        replay.write_one()
    assert not replay.sink.pending
    compare(cluster, reference)
