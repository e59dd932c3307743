"""The account says clean only when everything is, and shows what is not."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from clickstream.local.demo.latency import Percentiles
from clickstream.local.demo.reconciliation import Comparison, Row
from clickstream.local.demo.report import print_account
from clickstream.local.demo.result import DemoResult
from clickstream.local.demo.verification import Relevant

CLEAN = DemoResult(
    run_id="demo-x",
    rows=[Row("sent", 3, 5, 1)],
    relevant=dict.fromkeys(("ledger", "API", "SQL"), Relevant(2, 4)),
    api=Comparison((), (), ()),
    sql=Comparison((), (), ()),
    unanswered=0,
    refused=(),
    retries=0,
    seconds=1.0,
    freshness={"GET session": Percentiles(1, 5.0, 9.0)},
    example={"session_id": "demo-x-000001", "search_query": "[雨伞]", "events": [{"a": 1}, {}]},
)


def printed(account: DemoResult) -> str:
    text = io.StringIO()
    print_account(account, Console(file=text, width=120))
    return text.getvalue()


def test_a_clean_account_says_so_and_shows_a_session() -> None:
    text = printed(CLEAN)
    assert text.rstrip().endswith("clean")
    shown = text[text.index("{") : text.index("\n}") + 2]
    assert json.loads(shown) == CLEAN.example


@pytest.mark.parametrize(
    "spoilt",
    [
        replace(CLEAN, sql=Comparison(("session a",), (), ())),
        replace(CLEAN, api=Comparison((), ("session a",), ())),
        replace(CLEAN, api=Comparison((), (), ("session a is not as it was sent",))),
        replace(CLEAN, refused=("/session 422: session a",)),
        replace(CLEAN, unanswered=1),
        replace(CLEAN, relevant={**CLEAN.relevant, "SQL": Relevant(2, 5)}),
    ],
)
def test_one_flaw_of_any_kind_spoils_it(spoilt: DemoResult) -> None:
    assert CLEAN.clean
    assert not spoilt.clean
    assert printed(spoilt).rstrip().endswith("NOT clean")


def test_the_differences_are_shown_by_name() -> None:
    spoilt = replace(CLEAN, sql=Comparison(("session [a]",), (), ()))
    assert "SQL: missing session [a]" in printed(spoilt)


def test_json_holds_the_same_numbers() -> None:
    said = json.loads(json.dumps(CLEAN.as_json()))
    assert said["clean"] is True
    assert said["rows"]["sent"] == {"sessions": 3, "events": 5, "marks": 1}
    assert said["missing"] == said["duplicated"] == 0
