"""Real processes on the suite's engines, and the sample of real traffic where it is at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Corner
from tests.e2e.process_pair import ProcessPair

# The public sample is not part of this repository; its test is collected only where it lies.
ESCI = Path(__file__).parents[2].parent / "shared" / "data" / "esci_requests.ndjson"

collect_ignore = [] if ESCI.exists() else ["test_esci.py"]


@pytest.fixture(scope="module")
def pair(corner: Corner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessPair]:
    """An edge with the read API and a worker, in a corner of their own for a whole module."""
    with corner() as settings, ProcessPair(settings, tmp_path_factory.mktemp("pair")) as running:
        yield running
