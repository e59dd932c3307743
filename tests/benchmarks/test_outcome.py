from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from benchmarks.outcome import OURS, Outcome, Report, Target, medians


def ours(**figures: float) -> Outcome:
    return Outcome("row", OURS, figures)


def theirs(**figures: float) -> Outcome:
    return Outcome("row", "them", figures)


def test_medians_are_taken_for_each_contender_and_figure() -> None:
    rounds = [[ours(us=9, rate=10), theirs(us=9)], [ours(us=1, rate=70), theirs(us=1)]]
    assert medians([*rounds, [ours(us=2, rate=20), theirs(us=7)]]) == [
        ours(us=2, rate=20),
        theirs(us=7),
    ]


def test_a_figure_that_one_round_lacks_is_the_median_of_the_others() -> None:
    assert medians([[ours(us=3)], [ours(us=5, rate=1)]]) == [ours(us=4, rate=1)]


@pytest.mark.parametrize(
    ("target", "value", "is_met"),
    [
        (Target("us", at_most=4), 4.0, True),
        (Target("us", at_most=4), 4.1, False),
        (Target("us", at_least=4), 4.0, True),
        (Target("us", at_least=4), 3.9, False),
        (Target("us", at_least=2, at_most=4), 5.0, False),
    ],
)
def test_a_limit_includes_itself(target: Target, value: float, is_met: bool) -> None:
    assert target.is_met(value) is is_met


def test_a_ratio_is_ours_by_theirs() -> None:
    outcomes = [ours(us=2), theirs(us=8)]
    assert Target("us", at_most=0.3, against="them").value(outcomes) == 0.25
    assert Target("us", at_most=4, of="them", against=OURS).value(outcomes) == 4


def test_a_target_without_both_figures_is_not_measured() -> None:
    report = Report.of(
        "row", [[ours(us=2)]], [Target("rate", at_least=1), Target("us", at_most=1, against="them")]
    )
    assert [verdict.word for verdict in report.verdicts] == ["not measured", "not measured"]


def test_a_report_is_one_line_of_json_and_a_table() -> None:
    outcome = Outcome("row", OURS, {"us": 5.0}, "a note", {"mb": [(0.0, 1.0)]})
    report = Report.of("row", [[outcome]], [Target("us", at_most=4)])
    said = json.loads(report.to_json())
    assert said["verdicts"] == [{"target": "us ≤ 4", "reached": 5.0, "is_met": False}]
    assert said["outcomes"][0]["curves"] == {"mb": [[0.0, 1.0]]}
    screen = io.StringIO()
    report.print(Console(file=screen, width=100))
    assert "us ≤ 4: 5 MISSED" in screen.getvalue()
    assert "a note" in screen.getvalue()
