"""Requests made from the OpenAPI document, right ones and wrong ones, against the real processes.

Nothing may answer 5xx, what the document allows must be accepted, what it forbids refused, and each
answer must be what the document says of it. `CLICKSTREAM_TEST_EXAMPLES` says how many requests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.conftest import Corner
from tests.e2e.process_pair import ProcessPair
from tests.faults.lab.plan import LONG

pytestmark = [pytest.mark.engines, pytest.mark.timeout(3_600)]

# `make faults` asks for 5,000; CI is content with the default.
EXAMPLES = int(os.environ.get("CLICKSTREAM_TEST_EXAMPLES", "200"))
# Fewer than the document has, so that all together are enough.
_OPERATIONS = 20
KEY = "cs_admin_for-this-test-alone"

OPTIONS = (
    # Examples, then each bound of each field, then what chance brings.
    "--phases=examples,coverage,fuzzing",
    f"--max-examples={EXAMPLES // _OPERATIONS}",
    # What a schema cannot say of right data: which text is a time, which parameters go together.
    # And wrong keys: it adds them in one header while ours, in the other, is right.
    "--exclude-checks=positive_data_acceptance,ignored_auth",
    # Each erasure takes seconds, and there is one at a time: it has tests of its own.
    "--exclude-method=DELETE",
    # It does not end, and has tests of its own.
    "--exclude-path=/events/tail",
    f"--header=X-API-Key: {KEY}",
    "--request-timeout=60",
    "--continue-on-failure",
    "--no-color",
    "--seed=1",
)


# Wrong values that are very long make a URL that is too long, which is seen first.
CONFIG = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "414", "415", "422", "429"]
"""
# Each bound of each field: of the questions for numbers, whose parameters are many and the same
# everywhere, in the long form alone.
SHORT = """
[[operations]]
include-path-regex = "^/(analytics|judgments|export)"
phases.coverage.enabled = false
"""


def test_every_operation_is_what_the_document_says(corner: Corner, tmp_path: Path) -> None:
    with (
        corner(admin_keys=(SecretStr(KEY),)) as settings,
        ProcessPair(settings, tmp_path) as pair,
    ):
        document = f"{pair.url}/openapi.json"
        config = CONFIG if LONG else CONFIG + SHORT
        (tmp_path / "schemathesis.toml").write_text(config, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", document, *OPTIONS],
            cwd=tmp_path,  # it takes notes there
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    generated = re.search(r"(\d[\d,]*) generated", done.stdout)
    assert generated, done.stdout
    assert int(generated[1].replace(",", "")) >= EXAMPLES, done.stdout
