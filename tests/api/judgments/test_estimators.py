"""Against a known truth, against numbers by hand, and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.judgments.cells import Cells
from api.judgments.examination import FEWEST_MOVING_PAIRS, NotIdentifiable, examination
from api.judgments.grades import grades
from api.judgments.interventions import from_shuffled_lists, from_swaps
from api.judgments.pairs import coec, ctr, pbm
from api.statistics.intervals import wilson
from tests.api.judgments.world import EXAMINATION, HARD, World, searches

RELATIVE = EXAMINATION / EXAMINATION[0]


def rates_of(cells: Cells) -> np.ndarray:
    return cells.of_positions(cells.clicks) / cells.of_positions(cells.impressions)


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_the_published_examination_is_found(seed: int) -> None:
    found = examination(searches(40_000, seed).cells())
    assert np.abs(found.values - RELATIVE).max() < 0.03
    assert ((found.low <= RELATIVE) & (found.high >= RELATIVE)).mean() >= 0.8
    assert found.reference == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_more_careful_an_estimate_the_closer_it_is_to_the_truth(seed: int) -> None:
    log = searches(40_000, seed, HARD)
    cells = log.cells()
    shown = cells.of_pairs(cells.impressions)
    naive, expected, modelled = (
        log.kendall_tau(estimate.values, shown)
        for estimate in (
            ctr(cells),
            coec(cells, rates_of(cells)),
            pbm(cells, examination(cells).values),
        )
    )
    assert naive + 0.02 < expected
    assert expected + 0.02 < modelled


def test_intervals_of_attractiveness_hold_the_truth() -> None:
    log = searches(40_000, 7)
    cells = log.cells()
    found = pbm(cells, examination(cells).values)
    truth = log.relevance.ravel()[: cells.pair_count] * EXAMINATION[0]
    shown = cells.of_pairs(cells.impressions) > 0
    assert ((found.low <= truth) & (truth <= found.high))[shown].mean() > 0.92


def test_swaps_and_shuffled_lists_find_it_too() -> None:
    found = from_swaps(searches(40_000, 7).cells())
    assert ((found.low <= RELATIVE) & (found.high >= RELATIVE)).mean() >= 0.9
    shuffled = from_shuffled_lists(searches(40_000, 7, World(movement=1_000.0)).cells())
    assert np.abs(shuffled.values - RELATIVE).max() < 0.03
    assert ((shuffled.low <= RELATIVE) & (shuffled.high >= RELATIVE)).mean() >= 0.8


def test_where_nothing_moves_there_is_no_answer() -> None:
    still = searches(5_000, 7, World(movement=0.0)).cells()
    with pytest.raises(NotIdentifiable, match=r"^0 of 600 pairs .* at least 20 are needed"):
        examination(still)
    with pytest.raises(NotIdentifiable, match=r"^0 of 600 pairs .* neighbouring positions"):
        from_swaps(still)


def test_positions_that_were_never_compared_with_the_first_have_no_value() -> None:
    pairs = np.repeat(np.arange(50), 2)
    positions = np.tile([1, 2], 50)
    positions[60:] += 4  # the last twenty pairs move between 5 and 6 alone
    found = examination(Cells.of(pairs, positions, np.full(100, 40), np.tile([20, 10], 50)))
    assert np.isnan(found.values).tolist() == [False, False, True, True, True, True]
    assert found.moving_pairs == 30
    assert found.values[:2] == pytest.approx([1, 0.5], abs=1e-3)
    alone = pbm(Cells.of([0, 1], [1, 6], [10, 10], [5, 5]), found.values)
    assert alone.values[0] == pytest.approx(0.5)
    assert np.isnan([alone.values[1], alone.low[1], alone.high[1]]).all()


def test_a_position_without_clicks_has_no_interval() -> None:
    pairs, positions = np.repeat(np.arange(30), 2), np.tile([1, 2], 30)
    found = examination(Cells.of(pairs, positions, np.full(60, 40), np.tile([20, 0], 30)))
    assert found.values[1] == pytest.approx(0, abs=1e-6)
    assert np.isnan(found.high[1])


def test_three_estimates_by_hand() -> None:
    # The first pair was shown 10 times at the top and 10 times below, the second below alone.
    cells = Cells.of([0, 0, 1], [1, 2, 2], [10, 10, 20], [6, 1, 4])
    assert ctr(cells).values == pytest.approx([7 / 20, 4 / 20])
    rates = rates_of(cells)
    assert rates == pytest.approx([6 / 10, 5 / 30])
    assert coec(cells, rates).values == pytest.approx([7 / (6 + 10 / 6), 4 / (20 / 6)])
    # Of the second pair, half of 20 impressions were looked at.
    assert pbm(cells, np.array([1.0, 0.5])).values[1] == pytest.approx(4 / 10)


@given(trials=st.integers(1, 10_000), share=st.floats(0, 1))
def test_where_every_position_is_looked_at_the_interval_is_that_of_wilson(
    trials: int, share: float
) -> None:
    successes = round(trials * share)
    cells = Cells.of([0], [1], [trials], [successes])
    expected = wilson(successes, trials)
    assert expected is not None
    for found in (ctr(cells), pbm(cells, np.array([1.0]))):
        assert found.values[0] == pytest.approx(successes / trials, abs=1e-9)
        assert found.low[0] == pytest.approx(expected.low, abs=1e-9)
        assert found.high[0] == pytest.approx(expected.high, abs=1e-9)


@given(
    counts=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 50), st.floats(0, 1)), min_size=1, max_size=6
    )
)
def test_estimates_are_finite_and_within_their_intervals(
    counts: list[tuple[int, int, float]],
) -> None:
    cells = Cells.of(
        [0] * len(counts),
        [position for position, _, _ in counts],
        [shown for _, shown, _ in counts],
        [shown * share for _, shown, share in counts],
    )
    theta = np.array([1.0, 1.3, 0.4])
    found = pbm(cells, theta)
    assert 0 <= found.low[0] <= found.values[0] + 1e-9
    assert found.values[0] <= found.high[0] + 1e-9
    assert found.high[0] <= 1


def test_grades_count_the_cut_points_that_are_reached() -> None:
    values = np.array([0.0, 0.02, 0.025, 0.05, 0.1, 0.199, 0.2, 0.9, np.nan])
    assert grades(values, 0.1).tolist() == [0, 0, 1, 2, 3, 3, 4, 4, -1]
    assert grades(values[:2], 0.0).tolist() == [0, 0]  # nobody clicked anything
    assert grades(values[2:5], 1.0, (0.03, 0.06)).tolist() == [0, 1, 2]


def test_the_fewest_moving_pairs_are_enough() -> None:
    pairs = np.repeat(np.arange(FEWEST_MOVING_PAIRS), 2)
    count = len(pairs)
    positions = np.tile([1, 2], FEWEST_MOVING_PAIRS)
    enough = Cells.of(pairs, positions, np.full(count, 40), np.tile([20, 10], count // 2))
    assert examination(enough).moving_pairs == FEWEST_MOVING_PAIRS
    with pytest.raises(NotIdentifiable, match=r"^19 of 19 pairs"):
        examination(enough.at(pairs > 0))
