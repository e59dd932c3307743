"""The traffic looks like search traffic, and is the same for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest

from clickstream.local.demo.simulator import SimulatedSession, Traffic

START_MS = 1_700_000_000_000


def simulated(count: int = 2_500, seed: int = 1) -> list[SimulatedSession]:
    return list(Traffic("demo-x", seed, START_MS).sessions(count))


def test_equal_seeds_make_equal_traffic_and_others_do_not() -> None:
    assert simulated(50) == simulated(50)
    assert simulated(50) != simulated(50, seed=2)


@pytest.mark.parametrize("seed", range(3))
def test_the_default_demo_has_more_than_ten_thousand_events(seed: int) -> None:
    assert sum(len(session.events) for session in simulated(seed=seed)) > 10_000


def test_ids_are_unique_and_times_are_the_runs_own() -> None:
    made = simulated(500)
    assert len({session.session_id for session in made}) == 500
    assert [session.body["created_at"] for session in made] == [START_MS + n for n in range(500)]
    for session in made:
        assert len({event["event_id"] for event in session.events}) == len(session.events)


def test_a_few_queries_are_asked_often_and_many_rarely() -> None:
    counts = Counter(session.body["search_query"] for session in simulated())
    ((_, most),) = counts.most_common(1)
    assert most > 20 * counts.most_common()[len(counts) // 2][1]


def test_the_top_of_the_list_is_clicked_most() -> None:
    clicks = Counter(
        event["meta"]["rank_position"]
        for session in simulated()
        for event in session.events
        if event["event_type"] == "click"
    )
    assert clicks[1] > clicks[2] > clicks[5] > clicks[12]


def test_some_searches_find_nothing() -> None:
    lengths = {len(session.body["search_results"]) for session in simulated()}
    assert 0 in lengths
    assert lengths - {0} <= set(range(10, 21))
