"""The same results for a person and for a machine."""

from __future__ import annotations

import io
import json

from rich.console import Console

from clickstream.operations.doctor.report import as_json, print_table
from clickstream.operations.doctor.result import CheckResult, Status

RESULTS = (
    CheckResult(Status.FAIL, "does not answer at [::1]:9092", "start it", "kafka"),
    CheckResult(Status.OK, "ready", name="http"),
)


def test_json_holds_every_field_and_the_summary() -> None:
    said = json.loads(as_json(RESULTS))
    assert said["healthy"] is False
    assert said["checks"][0] == {
        "name": "kafka",
        "status": "fail",
        "detail": "does not answer at [::1]:9092",
        "remedy": "start it",
    }


def test_the_table_ends_with_the_failed_checks() -> None:
    text = io.StringIO()
    print_table(RESULTS, Console(file=text, width=100))
    said = text.getvalue()
    assert "[::1]:9092" in said
    assert "→ start it" in said
    assert said.splitlines()[-1].strip() == "not healthy: kafka"
