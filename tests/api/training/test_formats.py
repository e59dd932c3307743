"""Each file is read by its trainer, unchanged."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import ir_measures
import lightgbm
import numpy as np
import pandas
import pytest
import xgboost
from sklearn.datasets import load_svmlight_file

from api.training.formats import WRITTEN_HERE, TrainingFormat, written
from api.training.question import Feature, Lists
from api.training.sql import ListRow
from tests.api.judgments.world import EXAMINATION, World, searches

FEATURES = (Feature("rank", ()), Feature("meta.price", ("price",)))
LISTS = Lists((0, 1), "exclude", "click", features=FEATURES)
PROPENSITIES = [1.0, 0.5, None]


def row(number: int, objects: str, clicked: Sequence[int], **more: object) -> ListRow:
    values: dict[str, object] = {
        "session_id": f"s {number}",
        "created_at_ms": 1_700_000_000_123,
        "search_query": f"query {number}",
        "user_id": None,
        "variant": "",
        "split": "train",
        "object_ids": list(objects),
        "clicked": list(clicked),
        "features": [[0.5] * len(objects), [None, *range(1, len(objects))]],
        "titles": [],
    }
    return ListRow(**{**values, **more})


ROWS = [row(1, "abcd", [2, 4]), row(2, "ab", [1]), row(3, "aba", [3]), row(4, "x", [])]


def file(format: TrainingFormat, rows: Sequence[ListRow] = ROWS, size: int = 3) -> str:
    async def batches() -> AsyncIterator[Sequence[ListRow]]:
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    async def collect() -> bytes:
        parts = written(format, LISTS, PROPENSITIES, batches())
        return b"".join([part async for part in parts])

    return asyncio.run(collect()).decode()


@pytest.mark.parametrize("format", WRITTEN_HERE)
def test_where_batches_end_changes_nothing(format: TrainingFormat) -> None:
    assert file(format, size=1) == file(format, size=100)
    assert file(format, []).count("\n") == (format is TrainingFormat.CSV)


def test_the_long_table() -> None:
    frame = pandas.read_csv(io.StringIO(file(TrainingFormat.CSV)), parse_dates=["created_at"])
    assert frame.qid.tolist() == [1, 1, 1, 1, 2, 2, 3, 3, 3, 4]
    assert frame.position.tolist() == [1, 2, 3, 4, 1, 2, 1, 2, 3, 1]
    assert frame.label.tolist() == frame.click.tolist() == [0, 1, 0, 1, 1, 0, 0, 0, 1, 0]
    # A click where half of the people look counts twice; where nobody knows, once.
    assert frame.weight.tolist() == [1, 2, 1, 1, 1, 1, 1, 1, 1, 1]
    assert frame.propensity.fillna(-1).tolist() == [1, 0.5, -1, -1, 1, 0.5, 1, 0.5, -1, 1]
    assert frame.f_price.isna().sum() == 4
    assert frame.created_at[0] == pandas.Timestamp("2023-11-14 22:13:20.123")


def simulated() -> list[ListRow]:
    """A thousand lists whose first feature tells how attractive a result is, the second nothing."""
    log = searches(1_000, 3, World())
    chance = np.random.default_rng(3)
    return [
        row(
            number,
            "abcdefghij",
            (np.flatnonzero(clicked) + 1).tolist(),
            features=[
                log.relevance[query, shown].tolist(),
                chance.random(len(shown)).tolist(),
            ],
        )
        for number, (query, shown, clicked) in enumerate(
            zip(log.queries, log.lists, log.clicks, strict=True)
        )
    ]


def test_lightgbm_finds_lists_and_positions_beside_its_file(tmp_path: Path) -> None:
    rows = simulated()
    path = tmp_path / "train.txt"
    path.write_text(file(TrainingFormat.LIGHTGBM, rows))
    Path(f"{path}.query").write_text(file(TrainingFormat.LIGHTGBM_QUERY, rows))
    Path(f"{path}.position").write_text(file(TrainingFormat.LIGHTGBM_POSITION, rows))
    data = lightgbm.Dataset(str(path), params={"verbosity": -1})
    data.construct()
    assert data.num_data() == 10_000
    assert data.num_feature() == 2
    assert data.get_group().tolist() == [10] * 1_000
    assert len(data.get_position()) == 10_000
    model = lightgbm.train(
        {"objective": "lambdarank", "verbosity": -1, "num_threads": 1, "seed": 1}, data, 10
    )
    gains = model.feature_importance("gain")
    assert gains[0] > 2 * gains[1]


def test_sklearn_and_xgboost_read_libsvm(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text(file(TrainingFormat.LIBSVM, simulated()))
    features, labels, qids = load_svmlight_file(str(path), query_id=True)
    assert features.shape == (10_000, 2)
    assert (np.diff(qids) >= 0).all()
    ranker = xgboost.XGBRanker(
        n_estimators=5, n_jobs=1, lambdarank_unbiased=True, lambdarank_pair_method="topk"
    )
    ranker.fit(features, labels.astype(int), qid=qids)
    assert ranker.feature_importances_[0] > ranker.feature_importances_[1]
    assert labels.sum() == sum(len(each.clicked) for each in simulated())


def test_a_missing_feature_is_not_a_number(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text(file(TrainingFormat.LIBSVM))
    features, _, _ = load_svmlight_file(str(path), query_id=True)
    assert features.shape == (10, 2)
    assert np.isnan(features.toarray()[:, 1]).sum() == 4


def test_the_long_table_trains_lightgbm_with_positions() -> None:
    frame = pandas.read_csv(io.StringIO(file(TrainingFormat.CSV, simulated())))
    data = lightgbm.Dataset(
        frame.filter(regex="^f_"),
        frame.label,
        group=frame.groupby("qid").size(),
        position=frame.position,
        params={"verbosity": -1},
    )
    params = {"objective": "lambdarank", "verbosity": -1, "num_threads": 1}
    model = lightgbm.train(params, data, 10)
    assert model.feature_name() == ["f_rank", "f_price"]
    assert len(EXAMINATION) == frame.position.max()


def test_ir_measures_evaluates_what_was_shown_by_what_was_clicked() -> None:
    qrels = list(ir_measures.read_trec_qrels(io.StringIO(file(TrainingFormat.QRELS))))
    run = list(ir_measures.read_trec_run(io.StringIO(file(TrainingFormat.RUN))))
    found = {
        each.query_id: each.value for each in ir_measures.iter_calc([ir_measures.RR], qrels, run)
    }
    # Of the third list, the second copy of an object was clicked: it is there once, at its top.
    assert found == {"s%201": 0.5, "s%202": 1, "s%203": 1, "s%204": 0}


def test_triples_are_what_was_clicked_and_what_was_passed_over_above_it() -> None:
    lines = [json.loads(line) for line in file(TrainingFormat.TRIPLES).splitlines()]
    assert [(each["anchor"], each["positive"], each["negative"]) for each in lines] == [
        ("query 1", "b", "a"),
        ("query 1", "d", "a"),
        ("query 1", "d", "c"),
        ("query 3", "a", "b"),
    ]
    titled = file(TrainingFormat.TRIPLES, [row(1, "ab", [2], titles=["A", ""])])
    assert json.loads(titled) == {"anchor": "query 1", "positive": "b", "negative": "A"}


def test_conversations_say_what_was_shown_and_clicked() -> None:
    lines = [json.loads(line) for line in file(TrainingFormat.CONVERSATIONS).splitlines()]
    assert [message["content"] for message in lines[0]["messages"]] == [
        "query 1", "1. a\n2. b\n3. c\n4. d", "clicked 2, 4",
    ]  # fmt: skip
    assert lines[3]["messages"][-1]["content"] == "clicked nothing"
