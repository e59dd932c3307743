"""One fault lab for all tests of this folder, and the table of what they did at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.lab.report import Table
from tests.faults.lab.system import Lab, running_lab

_TABLE = pytest.StashKey[Table]()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Engines, edge, api and three workers of its own: what is broken here is nobody else's."""
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    """`table.add(…)` puts a line into the table at the end."""
    return request.config.stash.setdefault(_TABLE, Table())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    lines = list(config.stash.setdefault(_TABLE, Table()).lines())
    if lines:
        terminalreporter.section("faults")
    for line in lines:
        terminalreporter.write_line(line)
