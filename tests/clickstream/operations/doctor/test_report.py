"""The same findings for a person and for a machine."""

from __future__ import annotations

import io
import json

from rich.console import Console

from clickstream.operations.doctor.report import as_json, print_table
from clickstream.operations.doctor.result import CheckResult, Status

FINDINGS = (
    CheckResult("kafka", Status.FAIL, "does not answer at [::1]:9092", "start it"),
    CheckResult("http", Status.OK, "ready"),
)


def test_json_holds_every_field_and_the_verdict() -> None:
    said = json.loads(as_json(FINDINGS))
    assert said["healthy"] is False
    assert said["checks"][0] == {
        "name": "kafka",
        "status": "fail",
        "seen": "does not answer at [::1]:9092",
        "advice": "start it",
    }


def test_the_table_ends_with_the_culprits() -> None:
    text = io.StringIO()
    print_table(FINDINGS, Console(file=text, width=100))
    said = text.getvalue()
    assert "[::1]:9092" in said
    assert "→ start it" in said
    assert said.splitlines()[-1].strip() == "not healthy: kafka"
