"""The result says clean only when everything is, and shows what is not."""

from __future__ import annotations

import io
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from clickstream.local.data_directory import DataDirectory
from clickstream.local.demo.latency import Percentiles
from clickstream.local.demo.reconciliation import Comparison, Row
from clickstream.local.demo.report import analyst_url, next_steps, print_result
from clickstream.local.demo.result import DemoResult, MarkEffect
from clickstream.local.demo.verification import Relevant
from clickstream.local.endpoints import Endpoints

PASSED = DemoResult(
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
    mark=MarkEffect("demo-x-000001", Relevant(2, 4), Relevant(1, 2)),
)


def printed(result: DemoResult) -> str:
    text = io.StringIO()
    print_result(result, Console(file=text, width=120))
    return text.getvalue()


def test_a_run_that_passed_says_so_and_shows_a_session() -> None:
    text = printed(PASSED)
    assert text.rstrip().endswith("passed")
    shown = text[text.index("{") : text.index("\n}") + 2]
    assert json.loads(shown) == PASSED.example


@pytest.mark.parametrize(
    "spoilt",
    [
        replace(PASSED, sql=Comparison(("session a",), (), ())),
        replace(PASSED, api=Comparison((), ("session a",), ())),
        replace(PASSED, api=Comparison((), (), ("session a is not as it was sent",))),
        replace(PASSED, refused=("/session 422: session a",)),
        replace(PASSED, unanswered=1),
        replace(PASSED, mark=replace(PASSED.mark, after=PASSED.mark.before)),
        replace(PASSED, relevant={**PASSED.relevant, "SQL": Relevant(2, 5)}),
    ],
)
def test_one_flaw_of_any_kind_spoils_it(spoilt: DemoResult) -> None:
    assert PASSED.passed
    assert not spoilt.passed
    assert printed(spoilt).rstrip().endswith("FAILED")


def test_what_a_mark_changes_is_shown() -> None:
    assert "2 → 1 sessions and 4 → 2 events" in printed(PASSED)


def test_the_next_steps_are_commands_that_a_shell_takes_as_they_are() -> None:
    urls = ("http://h:1", "http://h:1/docs", "k:1", "http://r", "http://c")
    text = next_steps(Endpoints(1, "/data", *urls, ()), "http://a:b@c/?database=d", "")
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("  curl")]
    bodies = [word for command in commands for word in command if word.startswith("{")]
    assert [json.loads(body)["session_id"] for body in bodies] == ["mine"] * 3


def test_an_analyst_asks_as_himself_with_the_password_of_the_data_directory(tmp_path: Path) -> None:
    password = DataDirectory(tmp_path).passwords(["analyst"])["analyst"]
    urls = ("http://h:1", "http://h:1/docs", "k:1", "http://r", "http://owner:x@127.0.0.1:9/shop")
    found = analyst_url(Endpoints(1, str(tmp_path), *urls, ()))
    assert found == f"http://analyst:{password}@127.0.0.1:9/?database=shop"


def test_the_differences_are_shown_by_name() -> None:
    spoilt = replace(PASSED, sql=Comparison(("session [a]",), (), ()))
    assert "SQL: missing session [a]" in printed(spoilt)


def test_json_holds_the_same_numbers() -> None:
    said = json.loads(json.dumps(PASSED.as_json()))
    assert said["passed"] is True
    assert said["rows"]["sent"] == {"sessions": 3, "events": 5, "marks": 1}
    assert said["missing"] == said["duplicated"] == 0
