"""What is printed can be typed again."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from clickstream.operations.dead_letters.dead_letter import DeadLetterId, State, Summary
from clickstream.operations.dead_letters.report import print_list


@pytest.mark.parametrize("offset", [0, 9_065, 2**40])
def test_names_are_whole_in_eighty_columns(offset: int) -> None:
    name = DeadLetterId("clickstream.sessions", 11, offset)
    error = "the value is no Avro of this schema: " + "x" * 300
    at = datetime(2026, 11, 29, tzinfo=UTC)
    summary = Summary(name, State.REPUBLISHED, 12, "schema_unknown", error, at, 1_234_567, 0)
    out = io.StringIO()
    print_list(Console(file=out, width=80), [summary], {"schema_unknown": 1})
    assert str(name) in out.getvalue()
    assert all(len(line) <= 80 for line in out.getvalue().splitlines())
