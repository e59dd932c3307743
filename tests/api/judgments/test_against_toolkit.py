"""Our examination beside that of `ultr-bias-toolkit`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas
import pytest

from api.judgments.cells import Cells
from api.judgments.examination import examination
from api.judgments.interventions import from_swaps
from tests.api.judgments.world import searches


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Its estimators of swaps. Only another one uses torch, which is not installed."""
    for name, attributes in {
        "torch": {"nn": SimpleNamespace(Module=object), "Tensor": object},
        "torch.utils": {},
        "torch.utils.data": {"Dataset": object, "DataLoader": object},
        "tqdm": {"tqdm": None},
    }.items():
        module = ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
    import ultr_bias_toolkit.bias.intervention_harvesting as harvesting

    yield harvesting
    for name in [each for each in sys.modules if each.startswith("ultr_bias_toolkit")]:
        monkeypatch.delitem(sys.modules, name)


def one_row_an_impression(cells: Cells) -> pandas.DataFrame:
    shown = cells.impressions.astype(int)
    cell = np.repeat(np.arange(len(shown)), shown)
    number = np.concatenate([np.arange(count) for count in shown])
    return pandas.DataFrame(
        {
            "query_id": 0,
            "doc_id": cells.pairs[cell],
            "position": cells.positions[cell],
            "click": (number < cells.clicks[cell]).astype(int),
        }
    )


def test_swaps_are_its_adjacent_chain(toolkit: Any) -> None:
    cells = searches(20_000, 7).cells()
    theirs = toolkit.AdjacentChainEstimator()(one_row_an_impression(cells))
    assert from_swaps(cells).values == pytest.approx(theirs.examination.to_numpy(), abs=1e-9)


def test_expectation_maximisation_is_close_to_its_estimates(toolkit: Any) -> None:
    cells = searches(40_000, 7).cells()
    rows = one_row_an_impression(cells)
    found = examination(cells).values
    for estimator in (toolkit.PivotEstimator(), toolkit.AdjacentChainEstimator()):
        theirs = estimator(rows).examination.to_numpy()
        assert np.abs(found - theirs).max() < 0.05
