"""How many examples property tests draw: CLICKSTREAM_TEST_PROFILE is `ci` or `nightly`."""

from __future__ import annotations

import os
from typing import Final

EXAMPLES_TIMES: Final = {"ci": 1, "nightly": 20}
"""Profile → so many times as a test says."""

PROFILE: Final = os.environ.get("CLICKSTREAM_TEST_PROFILE", "ci")


def examples(in_ci: int) -> int:
    """The `max_examples` of a test that draws so many in CI, in the profile of this run."""
    return in_ci * EXAMPLES_TIMES[PROFILE]
