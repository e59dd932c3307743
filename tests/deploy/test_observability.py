"""Alert rules, dashboards and scrape configuration: valid, about metrics that exist, explained."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from core.telemetry import METRICS
from tests.deploy.shell import ROOT, run

FOLDER: Final = ROOT / "deploy/observability"
RULES: Final = FOLDER / "alerts.yml"
TESTS: Final = FOLDER / "alerts_test.yml"
DASHBOARDS: Final = sorted((FOLDER / "grafana/dashboards").glob("*.json"))
ALERTS: Final[list[dict[str, Any]]] = [
    rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]
]
NAMES: Final = [alert["alert"] for alert in ALERTS]

# .ci/run and `make promtool` put it there.
PROMTOOL: Final = shutil.which("promtool") or shutil.which(
    "promtool", path=str(ROOT / ".venv/promtool")
)
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not on PATH: run `make promtool`, or install Prometheus"
)


def series_of(text: str) -> set[str]:
    """The metrics of ours that an expression names."""
    return set(re.findall(r"\bclickstream_\w+", text))


def declared() -> set[str]:
    """The series that our metrics have at Prometheus."""
    found = set()
    for each in METRICS.descriptions:
        ends = ("_bucket", "_sum", "_count") if each.kind == "histogram" else ("",)
        found |= {each.name + end for end in ends}
    return found


def promtool(*argv: str | Path) -> str:
    """What it prints; fails unless it is content."""
    assert PROMTOOL is not None
    done = run(PROMTOOL, *argv)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copied(tmp_path: Path, was: str, becomes: str) -> Path:
    """Some of the tests, beside the rules with a text exchanged."""
    rules = RULES.read_text("utf-8")
    assert was in rules
    (tmp_path / "alerts.yml").write_text(rules.replace(was, becomes, 1), "utf-8")
    content = yaml.safe_load(TESTS.read_text("utf-8"))
    some = ("a healthy system", "ClickstreamLagging")
    content["tests"] = [test for test in content["tests"] if test["name"] in some]
    file = tmp_path / "some.yml"
    file.write_text(yaml.safe_dump(content), "utf-8")
    return file


@needs_promtool
def test_every_rule_fires_when_it_should_and_none_in_a_healthy_system() -> None:
    promtool("check", "rules", RULES)
    promtool("test", "rules", TESTS)
    promtool("check", "config", "--syntax-only", FOLDER / "prometheus.yml")


@needs_promtool
def test_the_rules_as_they_are_pass_some_of_the_tests(tmp_path: Path) -> None:
    promtool(
        "test", "rules", copied(tmp_path, "alert: ClickstreamLagging", "alert: ClickstreamLagging")
    )


@needs_promtool
@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("alert: ClickstreamLagging", "alert: ClickstreamLaggard"),
        ("max(clickstream_worker_lag_seconds) > 60", "max(clickstream_worker_lag_seconds) > 600"),
        ("max(clickstream_worker_lag_seconds) > 60", "max(clickstream_worker_lag_seconds) > 0.1"),
        ("max(clickstream_worker_lag_seconds) > 60", "max(clickstream_worker_lag_seconds) >"),
    ],
)
def test_a_broken_rule_is_noticed(tmp_path: Path, was: str, becomes: str) -> None:
    tests = copied(tmp_path, was, becomes)
    assert PROMTOOL is not None
    assert run(PROMTOOL, "test", "rules", tests).returncode != 0


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    tests = yaml.safe_load(TESTS.read_text("utf-8"))["tests"]
    fired = {
        re.search(r'alertname="(\w+)"', sample["labels"])[1]  # type: ignore[index]
        for test in tests
        for expected in test["promql_expr_test"]
        for sample in expected["exp_samples"]
    }
    assert fired == set(NAMES)


def test_the_healthy_system_has_every_series_that_a_rule_reads() -> None:
    healthy, *_ = yaml.safe_load(TESTS.read_text("utf-8"))["tests"]
    there = {name for each in healthy["input_series"] for name in series_of(each["series"])}
    assert {name for alert in ALERTS for name in series_of(alert["expr"])} == there


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_an_alert_reads_declared_metrics_and_has_a_section_in_the_runbook(
    alert: dict[str, Any],
) -> None:
    assert series_of(alert["expr"]) <= declared()
    assert alert["labels"]["severity"] in ("page", "ticket")
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    text = (ROOT / page).read_text("utf-8")
    section = re.search(rf"^### {alert['alert']}\n\n(\w+)\. ", text, re.M)
    assert section is not None
    assert section[1].lower() == alert["labels"]["severity"]
    assert anchor == alert["alert"].lower()


def test_the_runbook_explains_no_alert_that_is_gone() -> None:
    text = (ROOT / "docs/runbook.md").read_text("utf-8")
    assert re.findall(r"^### (\w+)$", text, re.M) == [*dict.fromkeys(NAMES)]


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_a_dashboard_shows_declared_metrics(file: Path) -> None:
    dashboard = json.loads(file.read_text("utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [each["query"] for each in dashboard["templating"]["list"]]
    assert set().union(*map(series_of, queries)) <= declared()
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places) > 10


def test_every_metric_is_on_a_dashboard() -> None:
    text = "".join(file.read_text("utf-8") for file in DASHBOARDS)
    shown = series_of(text)
    unseen = [m.name for m in METRICS.descriptions if not {m.name, f"{m.name}_bucket"} & shown]
    assert unseen == []


@needs_promtool
@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_the_queries_of_a_dashboard_are_promql(file: Path, tmp_path: Path) -> None:
    dashboard = json.loads(file.read_text("utf-8"))
    rules = [
        {"record": "a:query", "expr": target["expr"].replace("$__rate_interval", "5m")}
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), "utf-8")
    promtool("check", "rules", path)


def test_an_undeclared_metric_would_be_noticed() -> None:
    assert not series_of("rate(clickstream_worker_made_up_total[5m]) > 0") <= declared()


def test_every_scrape_job_is_one_that_the_rules_know() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert {job["job_name"] for job in jobs} == {
        "clickstream-edge",
        "clickstream-api",
        "clickstream-worker",
    }
