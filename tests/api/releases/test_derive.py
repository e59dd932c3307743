"""What a release computes from its own sessions, against counts by hand. No server."""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.releases.derive import Deriver
from api.releases.files import SESSIONS, SessionFiles
from api.releases.impressions import OftenShown
from api.releases.manifest import Order, ReleaseFile
from api.releases.splits import _Texts
from api.training.question import SplitBy
from tests.api.judgments.world import HARD, searches

LOG = searches(900, 7, replace(HARD, queries=5, irrelevant=0.0))
ORDER = Order(with_training=True, with_judgments=True, features=("rank", "meta.price"))


class _Kept(io.BytesIO):
    def close(self) -> None:
        """What was written stays readable."""


Kept = dict[str, _Kept]


def session(number: int) -> dict[str, Any]:
    shown = LOG.lists[number].tolist() if number % 50 else []
    clicks = LOG.clicks[number].nonzero()[0].tolist() if shown else []
    events = [("click", place + 1, shown[place]) for place in clicks]
    # Neither another type, nor a click on what was not listed.
    events += [("view", 1, shown[0])] if shown else []
    events += [("click", None, 99)]
    return {
        "session_id": f"s{number}",
        "search_query": f"query {LOG.queries[number]}",
        "search_results": [
            {"object_id": f"o{each}", "rank": each / 4, "meta": json.dumps({"price": int(each)})}
            for each in shown
        ],
        "search_meta": json.dumps({"variant": "AB"[number % 2]}) if number % 3 else None,
        "user_id": f"user {number % 37}" if number % 7 else None,
        "created_at": number * 1_000,
        "events": [
            {
                "event_id": f"e{n}",
                "object_id": f"o{each}",
                "event_type": kind,
                "position": position,
                "created_at": 0,
            }
            for n, (kind, position, each) in enumerate(events)
        ],
        "session_hash": number,
    }


@pytest.fixture(scope="module")
def sessions() -> tuple[list[ReleaseFile], Kept]:
    kept: Kept = {}
    files = SessionFiles(lambda name: kept.setdefault(name, _Kept()), sessions_per_file=400)
    rows = [session(number) for number in range(len(LOG.queries))]
    files.add(pa.Table.from_pylist(rows, SESSIONS.remove(0)))
    files.close()
    return files.files, kept


def derived(
    sessions: tuple[list[ReleaseFile], Kept], order: Order = ORDER
) -> tuple[dict[str, ReleaseFile], Kept, Any]:
    files, stored = sessions
    kept: Kept = {}
    deriver = Deriver(
        lambda name: io.BytesIO(stored[name].getvalue()),
        lambda name: kept.setdefault(name, _Kept()),
        files,
        order,
    )
    effects, lists = deriver.effects()
    training, splits = deriver.training(effects, lists, "variant")
    made = [*training, *deriver.judgments(effects)]
    estimators = {**deriver.estimators(effects), "splits": splits}
    return {file.name: file for file in made}, kept, estimators


def table(kept: Kept, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(kept[name].getvalue())).to_pylist()
    return rows


def test_the_long_table_has_whole_lists_in_their_order(
    sessions: tuple[list[ReleaseFile], Kept],
) -> None:
    files, kept, estimators = derived(sessions)
    parts = [name for name in files if name.startswith("training")]
    assert [files[name].first_number for name in parts] == [1, 401, 801]
    rows = [row for name in parts for row in table(kept, name)]
    numbers = [number for number in range(len(LOG.queries)) if number % 50]
    by_list: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_list[row["qid"]].append(row)
    assert list(by_list) == list(range(1, len(numbers) + 1))
    known = estimators["propensities"]["values"]
    for qid, number in enumerate(numbers, start=1):
        found = by_list[qid]
        assert [row["position"] for row in found] == list(range(1, len(found) + 1))
        assert [row["doc_id"] for row in found] == [f"o{each}" for each in LOG.lists[number]]
        assert [row["label"] for row in found] == LOG.clicks[number].astype(int).tolist()
        assert {row["session_id"] for row in found} == {f"s{number}"}
        assert {row["variant"] for row in found} == {"AB"[number % 2] if number % 3 else ""}
        assert [row["f_price"] for row in found] == [float(each) for each in LOG.lists[number]]
        assert [row["f_rank"] for row in found] == [each / 4 for each in LOG.lists[number]]
        for row in found:
            examined = known[row["position"] - 1]
            assert row["propensity"] == pytest.approx(examined, rel=1e-6)
            weight = min(10, 1 / examined) if row["click"] else 1
            assert row["weight"] == pytest.approx(weight, rel=1e-6)
    splits = Counter(by_list[qid][0]["split"] for qid in by_list)
    assert splits["train"] == int(len(numbers) * 0.8)
    assert [by_list[qid][0]["split"] for qid in (1, len(numbers))] == ["train", "test"]


@pytest.mark.parametrize("by", SplitBy)
def test_splits_keep_together_what_they_are_split_by_and_count_the_rest(
    sessions: tuple[list[ReleaseFile], Kept], by: SplitBy
) -> None:
    files, kept, estimators = derived(sessions, msgspec.structs.replace(ORDER, split_by=by))
    rows = [
        row
        for name in files
        if name.startswith("training")
        for row in table(kept, name)
        if row["position"] == 1
    ]
    told = estimators["splits"]
    assert told["by"] == by
    assert told["lists"] == {"train": 0, "validation": 0, "test": 0} | Counter(
        row["split"] for row in rows
    )
    for column, what in (("user_id", "users"), ("search_query", "queries")):
        parts = defaultdict(set)
        for row in rows:
            if row[column] is not None:
                parts[row[column]].add(row["split"])
        assert told["in_several_splits"][what] == sum(len(each) > 1 for each in parts.values())
    if by is not SplitBy.TIME:
        together = "users" if by is SplitBy.USER else "queries"
        assert told["in_several_splits"][together] == 0
        assert told["in_several_splits"].keys() == {"users", "queries"}
        assert 0 < told["lists"]["train"] < len(rows)


def test_what_is_in_several_splits_is_counted_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)
    texts = [str(chance.randrange(300)) for _ in range(2_000)]
    parts = [chance.choices((0, 1, 2), (20, 1, 1))[0] for _ in texts]
    found = defaultdict(set)
    for text, part in zip(texts, parts, strict=True):
        found[text].add(part)
    wanted = sum(len(each) > 1 for each in found.values())
    monkeypatch.setattr("api.releases.splits._MERGED_AT", 50)
    counted = _Texts()
    for first in range(0, len(texts), 17):
        part = np.array(parts[first : first + 17])
        counted.add(pa.array(texts[first : first + 17]), part)
    assert counted.in_several() == wanted > 0


def test_judgments_count_what_was_shown_and_clicked(
    sessions: tuple[list[ReleaseFile], Kept],
) -> None:
    _, kept, estimators = derived(sessions)
    shown: Counter[tuple[str, str]] = Counter()
    clicks: Counter[tuple[str, str]] = Counter()
    for number, query in enumerate(LOG.queries):
        if number % 50:
            pairs = [(f"query {query}", f"o{each}") for each in LOG.lists[number]]
            shown.update(pairs)
            clicks.update(pairs[place] for place in LOG.clicks[number].nonzero()[0])
    rows = table(kept, "judgments.parquet")
    found = {(row["search_query"], row["object_id"]): row for row in rows}
    assert found.keys() == {pair for pair, count in shown.items() if count >= 20}
    assert list(found) == sorted(found)
    for pair, row in found.items():
        assert (row["impressions"], row["clicks"]) == (shown[pair], clicks[pair])
        assert row["ctr"] == pytest.approx(clicks[pair] / shown[pair])
        assert 0 <= row["grade"] <= 4
    positions = table(kept, "propensities.parquet")
    assert [row["examination"] for row in positions] == estimators["propensities"]["values"]
    assert sum(row["impressions"] for row in positions) == sum(shown.values())
    assert estimators["graded_by"] == "pbm"


def test_what_is_computed_again_is_the_same_and_parts_of_the_queries_make_the_whole(
    sessions: tuple[list[ReleaseFile], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, kept, _ = derived(sessions)
    again, _, _ = derived(sessions)
    assert again == files
    for name, file in files.items():
        assert hashlib.sha256(kept[name].getvalue()).hexdigest() == file.sha256
    monkeypatch.setattr("api.releases.derive._PAIRS_AT_ONCE", 10)
    _, in_parts, _ = derived(sessions)

    def counts(of: Kept) -> Any:
        columns = ("search_query", "object_id", "impressions", "clicks", "lowest_position")
        return sorted(
            tuple(row[name] for name in columns) for row in table(of, "judgments.parquet")
        )

    assert counts(in_parts) == counts(kept)


def test_few_that_were_shown_too_seldom_are_taken_for_others() -> None:
    """Two million impressions of pairs that were shown five times, beside ten shown 20 times."""

    def table_of(pairs: list[tuple[str, str]]) -> pa.Table:
        queries, objects = zip(*pairs, strict=True)
        return pa.table({"search_query": queries, "object_id": objects})

    seldom = table_of([(f"query {number}", f"o{number % 1_000}") for number in range(400_000)])
    often = table_of([(f"often {number}", "o") for number in range(10)])
    found = OftenShown()
    for times, pairs in ((5, seldom), (20, often)):
        for _ in range(times):
            found.add(pairs)
    assert found.among(often) == often
    assert found.among(seldom).num_rows < 100
    assert 10 <= found.most_pairs < 100
