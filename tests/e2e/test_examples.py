"""The programs in examples/ do what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.process_pair import ProcessPair

pytestmark = pytest.mark.engines

EXAMPLES = Path(__file__).parents[2] / "examples"


def output_of(program: str, pair: ProcessPair) -> str:
    command = [sys.executable, str(EXAMPLES / program), pair.url]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_the_client_reads_its_own_writes_and_the_export_makes_pairs(pair: ProcessPair) -> None:
    read = json.loads(output_of("client.py", pair))
    assert [event["object_id"] for event in read["events"]] == ["book-2"]
    pairs = [json.loads(line) for line in output_of("training_pairs.py", pair).splitlines()]
    assert pairs == [{"query": "sea", "preferred": "book-2", "passed_over": "book-1"}]
