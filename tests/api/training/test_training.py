"""GET /export/training, from stored rows to files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ir_measures
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from clickstream.commands.main import app
from tests.api.judgments.world import HARD, World, searches
from tests.api.stored import NOON_MS, Event, Mark, Search, empty, store
from tests.api.stored import World as Stored
from tests.local_client import LocalClient

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.engines

LOG = searches(300, 7, replace(HARD, queries=5, irrelevant=0.1))
RANGE = f"from={NOON_MS}&to={NOON_MS + 10_000_000}"
FEATURES = "features=rank,meta.price"


def world(log: Any, *, with_irrelevant: bool = True) -> Stored:
    found, events, marks = [], [], []
    for number in range(len(log.queries)):
        if log.irrelevant[number] and not with_irrelevant:
            continue
        results = tuple(
            (f"object {each}", each / 4, json.dumps({"price": int(each), "title": f"Title {each}"}))
            for each in log.lists[number].tolist()
        )
        search = Search(
            f"s{number:03}",
            f"query {log.queries[number]}",
            results if number % 50 else (),
            created_at=NOON_MS + number * 1_000,
            user_id=f"user {number % 20}" if number % 3 else None,
            search_meta=json.dumps({"variant": "AB"[number % 2]}),
            offset=number,
        )
        found.append(search)
        if number % 10 == 1:
            found.append(replace(search, results=results[::-1], offset=10**6 + number))
        if number % 50:
            clicked = log.clicks[number].nonzero()[0].tolist()
            events += [Event(search, f"e{n}", results[n][0], offset=number) for n in clicked]
        if log.irrelevant[number]:
            marks.append(Mark(search.session_id, offset=number))
    return Stored(tuple(found), tuple(events), tuple(marks))


@pytest.fixture(scope="module")
def api(module_settings: Settings, client: LocalClient) -> Iterator[LocalClient]:
    empty(module_settings)
    store(module_settings, world(LOG))
    yield client
    empty(module_settings)


def content(api: LocalClient, question: str) -> bytes:
    answer = api.get(f"/export/training?{RANGE}&{question}")
    assert answer.status_code == 200, answer.text
    return answer.content


def table(api: LocalClient, question: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(
        io.BytesIO(content(api, f"format=parquet&{question}"))
    ).to_pylist()
    return rows


def test_lists_are_whole_in_the_order_shown_and_clicked_as_it_was(api: LocalClient) -> None:
    rows = table(api)
    lists: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        lists.setdefault(row["qid"], []).append(row)
    counted = [n for n in range(300) if n % 50 and not LOG.irrelevant[n]]
    assert list(lists) == list(range(1, len(counted) + 1))
    for number, shown in zip(counted, lists.values(), strict=True):
        assert {row["session_id"] for row in shown} == {f"s{number:03}"}
        assert [row["position"] for row in shown] == list(range(1, 11))
        assert [row["doc_id"] for row in shown] == [f"object {n}" for n in LOG.lists[number]]
        assert [row["label"] for row in shown] == LOG.clicks[number].astype(int).tolist()
        assert {row["query_id"] for row in shown} == {f"query {LOG.queries[number]}"}
        assert {row["variant"] for row in shown} == {"AB"[number % 2]}


def test_the_types_are_those_that_trainers_take(api: LocalClient) -> None:
    schema = pq.read_schema(io.BytesIO(content(api, f"format=parquet&{FEATURES}")))
    assert {name: str(schema.field(name).type) for name in schema.names if name[:2] != "cr"} == {
        "qid": "int64", "position": "int32", "label": "int32", "click": "int8", "weight": "float",
        "query_id": "string", "doc_id": "string", "propensity": "float", "session_id": "string",
        "search_query": "string", "user_id": "string", "variant": "string", "split": "string",
        "f_rank": "float", "f_price": "float",
    }  # fmt: skip


def test_csv_has_what_parquet_has(api: LocalClient) -> None:
    rows = table(api, FEATURES)
    lines = list(csv.DictReader(io.StringIO(content(api, f"format=csv&{FEATURES}").decode())))
    assert [list(line) for line in lines[:1]] == [list(rows[0])]
    for line, row in zip(lines, rows, strict=True):
        for name in ("qid", "position", "label", "click", "doc_id", "session_id", "split"):
            assert line[name] == str(row[name])
        for name in ("weight", "propensity", "f_rank", "f_price"):
            assert float(line[name]) == pytest.approx(row[name], rel=1e-6)
        assert line["created_at"] == row["created_at"].strftime("%Y-%m-%d %H:%M:%S.%f")[:23]
    assert rows[0]["propensity"] == 1
    clicked = next(row for row in rows if row["label"] and row["position"] > 3)
    assert clicked["weight"] == pytest.approx(min(10, 1 / clicked["propensity"]), rel=1e-6)


def test_features_and_titles_come_from_the_metas_of_the_stored_list(api: LocalClient) -> None:
    for row in table(api, FEATURES):
        number = int(row["doc_id"].split()[1])
        assert (row["f_rank"], row["f_price"]) == (number / 4, number)
    triples = content(api, "format=triples&title=meta.title").decode().splitlines()
    assert {json.loads(line)["positive"][:6] for line in triples} == {"Title "}


def test_clax_has_the_lists_as_numbers_that_all_splits_share(api: LocalClient) -> None:
    """As its documentation describes them: int32, one row a session, clicks in the order shown."""
    pairs = pq.read_table(io.BytesIO(content(api, "format=clax_pairs")))
    named = {row["query_doc_id"]: row for row in pairs.to_pylist()}
    assert sorted(named) == list(range(len(named)))
    for split in ("all", "test"):
        sessions = pq.read_table(io.BytesIO(content(api, f"format=clax&split={split}")))
        assert [str(each) for each in sessions.schema.types] == [
            "int32", "list<element: int32 not null>", "list<element: bool not null>"
        ]  # fmt: skip
        written = [
            (named[number]["query"], named[number]["object_id"], int(click))
            for row in sessions.to_pylist()
            for number, click in zip(row["query_doc_ids"], row["clicks"], strict=True)
        ]
        rows = table(api, f"split={split}")
        assert written == [(r["query_id"], r["doc_id"], r["click"]) for r in rows]
        for row in sessions.to_pylist():
            assert {named[number]["query_id"] for number in row["query_doc_ids"]} == {
                row["query_id"]
            }


def test_irrelevant_sessions_have_no_influence(api: LocalClient, module_settings: Settings) -> None:
    formats = ["parquet", "csv", "libsvm", "lightgbm", "lightgbm_query"]
    formats += ["qrels", "run", "triples", "clax"]

    def contents(more: str = "") -> list[object]:
        return [content(api, f"format={each}&{FEATURES}{more}") for each in formats]

    with_them = contents()
    try:
        empty(module_settings)
        store(module_settings, world(LOG, with_irrelevant=False))
        without = contents()
    finally:
        empty(module_settings)
        store(module_settings, world(LOG))
    included = contents("&relevance=include")
    for each, *found in zip(formats, with_them, without, included, strict=True):
        assert found[0] == found[1] != found[2], each


@pytest.mark.parametrize(
    ("split_by", "key"), [("time", "qid"), ("user", "user_id"), ("query", "query_id")]
)
def test_splits_keep_together_what_belongs_together(
    api: LocalClient, split_by: str, key: str
) -> None:
    whole = table(api, f"split_by={split_by}&shares=60,20")
    splits: dict[object, set[str]] = {}
    for row in whole:
        if row[key] is not None:
            splits.setdefault(row[key], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    if split_by == "time":
        order = [next(iter(splits[qid])) for qid in sorted(splits)]  # type: ignore[type-var]  # all int
        assert order == sorted(order, key=["train", "validation", "test"].index)
        assert order.count("train") == pytest.approx(0.6 * len(order), abs=1)
    parts = [
        table(api, f"split_by={split_by}&shares=60,20&split={split}")
        for split in ("train", "validation", "test")
    ]
    assert sorted(row["session_id"] for part in parts for row in part) == sorted(
        row["session_id"] for row in whole
    )
    for part in parts:
        assert sorted({row["qid"] for row in part}) == list(
            range(1, len({row["session_id"] for row in part}) + 1)
        )


@pytest.mark.parametrize("split_by", ["time", "user", "query"])
def test_without_shares_for_them_there_is_no_validation_and_no_test(
    api: LocalClient, split_by: str
) -> None:
    assert {row["split"] for row in table(api, f"split_by={split_by}&shares=100,0")} == {"train"}
    two = {row["split"] for row in table(api, f"split_by={split_by}&shares=50,50")}
    assert two == {"train", "validation"}


def test_the_account_says_what_is_in_and_what_is_left_out(api: LocalClient) -> None:
    rows = table(api)
    told = json.loads(content(api, "format=account"))
    assert told["lists"] == max(row["qid"] for row in rows) == sum(told["splits"].values())
    assert told["rows"] == len(rows)
    assert told["clicks"] == sum(row["click"] for row in rows)
    assert told["longest_list"] == 10
    assert told["left_out"] == {
        "irrelevant": int(LOG.irrelevant.sum()),
        "without_results": sum(not LOG.irrelevant[n] for n in range(0, 300, 50)),
        "longer_than_10000": 0,
    }
    users: dict[str, set[str]] = {}
    for row in rows:
        if row["user_id"] is not None:
            users.setdefault(row["user_id"], set()).add(row["split"])
    assert told["in_several_splits"]["users"] == sum(len(each) > 1 for each in users.values()) > 0
    by_user = json.loads(content(api, "format=account&split_by=user"))
    assert by_user["in_several_splits"]["users"] == 0
    assert by_user["in_several_splits"]["queries"] == 5


def test_what_was_shown_is_evaluated_as_the_metrics_have_it(api: LocalClient) -> None:
    qrels = ir_measures.read_trec_qrels(io.StringIO(content(api, "format=qrels").decode()))
    run = ir_measures.read_trec_run(io.StringIO(content(api, "format=run").decode()))
    measure = ir_measures.RR
    theirs = ir_measures.calc_aggregate([measure], list(qrels), list(run))[measure]
    overview = api.get(f"/analytics/query?{RANGE}&metric=mean_reciprocal_rank,sessions").json()
    ours = overview["rows"][0]
    empty_lists = sum(not LOG.irrelevant[n] for n in range(0, 300, 50))
    lists = ours["sessions"] - empty_lists
    assert theirs * lists == pytest.approx(ours["mean_reciprocal_rank"] * ours["sessions"])


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("format=libsvm", "a file of libsvm has features alone"),
        ("features=price", "is no path of a result's meta"),
        ("features=meta.", "is no path of a result's meta"),
        ("features=meta.a.b,meta.a_b", "has two that are called f_a_b"),
        ("features=" + ",".join(f"meta.m{n}" for n in range(201)), "at most 200"),
        ("title=name", "is no path of a result's meta"),
        ("shares=80", "must be two whole percents"),
        ("shares=0,10", "must be 1 to 100 together"),
        ("shares=90,20", "must be 1 to 100 together"),
        ("split_bye=user", "did you mean split_by?"),
    ],
)
def test_a_wrong_parameter_is_named(api: LocalClient, question: str, told: str) -> None:
    answer = api.get(f"/export/training?{question}")
    assert answer.status_code == 422
    assert told in answer.text


def test_a_range_without_lists_has_files_without_lists(api: LocalClient) -> None:
    nothing = "from=1000000000000&to=1000000000001"
    answer = api.get(f"/export/training?{nothing}&format=parquet")
    assert pq.read_table(io.BytesIO(answer.content)).num_rows == 0
    assert api.get(f"/export/training?{nothing}&format=triples").content == b""
    assert api.get(f"/export/training?{nothing}&format=account").json()["lists"] == 0


def test_the_command_writes_lightgbm_files_side_by_side(
    api: LocalClient, module_settings: Settings, tmp_path: Path
) -> None:
    arguments = ["--from", str(NOON_MS), "--to", str(NOON_MS + 10_000_000), "--split", "train"]
    arguments += ["--format", "lightgbm", "--features", "rank,meta.price"]
    run = CliRunner().invoke(
        app,
        ["export", "training", "-o", str(tmp_path / "train.txt"), *arguments],
        env={"CLICKSTREAM_CLICKHOUSE_URL": module_settings.clickhouse_url.get_secret_value()},
    )
    assert run.exit_code == 0, run.output
    assert "lists with" in run.output
    for suffix, part in (("", ""), (".query", "_query"), (".position", "_position")):
        path = tmp_path / f"train.txt{suffix}"
        assert path.read_bytes() == content(api, f"format=lightgbm{part}&{FEATURES}&split=train")
    assert len(list(tmp_path.iterdir())) == 3


def test_a_world_without_movement_has_no_propensities(
    api: LocalClient, module_settings: Settings
) -> None:
    try:
        empty(module_settings)
        store(module_settings, world(searches(60, 1, World(queries=2, movement=0.0))))
        assert {row["weight"] for row in table(api)} == {1}
        told = json.loads(content(api, "format=account"))
        assert told["propensities"] == []
        assert "at least 20 are needed" in told["propensities_refused"]
    finally:
        empty(module_settings)
        store(module_settings, world(LOG))
