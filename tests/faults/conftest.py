"""One fault lab for all tests of this folder, and the table of what they did at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.lab.plan import LONG
from tests.faults.lab.report import HEAD, Table
from tests.faults.lab.system import Lab, running_lab

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.conftest import Corner

# A test's lines go with its report, which comes back from whatever process it ran in.
_LINE = "line of the table of faults"


# A row of the short form takes a minute at most on a busy machine, the start of the lab as long.
_SHORT_SECONDS = 300


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs on real engines here is the fault lab, which `make test` leaves out."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("engines"):
            item.add_marker("faults")
            if not LONG:  # a row that hangs is to be named while CI is still listening
                item.add_marker(pytest.mark.timeout(_SHORT_SECONDS), append=False)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """LocalServers, edge, api and three workers of its own: what is broken here is nobody
    else's."""
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def settings(corner: Corner) -> Iterator[Settings]:
    """A fresh corner with as many partitions as topics usually have: up to five workers share
    them here."""
    with corner(topics={"partitions": 8}) as fresh:
        yield fresh


@pytest.fixture
def table(record_property: Callable[[str, object], None]) -> Table:
    """`table.add(…)` puts a line into the table at the end."""
    return Table(lambda line: record_property(_LINE, line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == _LINE
    ]
    if lines:
        terminalreporter.section("faults")
    for line in (*HEAD, *lines) if lines else ():
        terminalreporter.write_line(str(line))
