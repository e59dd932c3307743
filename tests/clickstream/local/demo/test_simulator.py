"""The traffic looks like search traffic, and is the same for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest

from clickstream.local.demo.simulator import SimulatedSession, Traffic

START_MS = 1_700_000_000_000


def visits(count: int = 2_500, seed: int = 1) -> list[SimulatedSession]:
    return list(Traffic("demo-x", seed, START_MS).visits(count))


def test_equal_seeds_make_equal_traffic_and_others_do_not() -> None:
    assert visits(50) == visits(50)
    assert visits(50) != visits(50, seed=2)


@pytest.mark.parametrize("seed", range(3))
def test_the_default_demo_has_more_than_ten_thousand_events(seed: int) -> None:
    assert sum(len(visit.events) for visit in visits(seed=seed)) > 10_000


def test_ids_are_unique_and_times_are_the_runs_own() -> None:
    made = visits(500)
    assert len({visit.session_id for visit in made}) == 500
    assert [visit.session["created_at"] for visit in made] == [START_MS + n for n in range(500)]
    for visit in made:
        assert len({event["event_id"] for event in visit.events}) == len(visit.events)


def test_a_few_queries_are_asked_often_and_many_rarely() -> None:
    counts = Counter(visit.session["search_query"] for visit in visits())
    ((_, most),) = counts.most_common(1)
    assert most > 20 * counts.most_common()[len(counts) // 2][1]


def test_the_top_of_the_list_is_clicked_most() -> None:
    clicks = Counter(
        event["meta"]["rank_position"]
        for visit in visits()
        for event in visit.events
        if event["event_type"] == "click"
    )
    assert clicks[1] > clicks[2] > clicks[5] > clicks[12]


def test_some_searches_find_nothing() -> None:
    lengths = {len(visit.session["search_results"]) for visit in visits()}
    assert 0 in lengths
    assert lengths - {0} <= set(range(10, 21))
