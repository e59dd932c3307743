from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from benchmarks.catalogue import ROWS, Row, chosen
from benchmarks.lab import Lab, local_lab
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.script import Benchmark, Size
from benchmarks.series import Extent, run, sum_up

NO_LAB = cast(Lab, None)


@dataclass(frozen=True, slots=True)
class FakeRow(Row):
    """Measures the scale that it is given; a ledger that does not add up when told so."""

    breaks: bool = False

    def load(self) -> Benchmark:
        return Benchmark(self.name, self._round, [Target("scale", at_most=0.5)])

    def _round(self, _: Lab, size: Size) -> Iterator[Outcome]:
        if self.breaks:
            raise AssertionError("stored 1 of 2")
        yield Outcome(self.name, OURS, {"scale": size.scale})


def test_a_row_that_fails_is_said_and_the_others_are_measured(tmp_path: Path) -> None:
    rows = [FakeRow("broken", "", 0.5, breaks=True), FakeRow("whole", "", 0.5)]
    screen, out = io.StringIO(), tmp_path / "results" / "out.jsonl"
    console = Console(file=screen, width=100)
    finished = run(rows, NO_LAB, Extent(), out, console)
    sum_up(finished, console)
    assert [done.report is None for done in finished] == [True, False]
    assert "stored 1 of 2" in screen.getvalue()
    machine, *reports = [json.loads(line) for line in out.read_text().splitlines()]
    assert machine["machine"]["cores"]
    assert [report["benchmark"] for report in reports] == ["whole"]


@pytest.mark.parametrize(
    ("extent", "scale", "word"),
    [
        (Extent(), 0.4, "met"),
        (Extent(full=True), 1.0, "MISSED"),
        (Extent(scale=0.5), 0.2, "met"),
    ],
)
def test_the_short_form_is_the_same_on_less(
    extent: Extent, scale: float, word: str, tmp_path: Path
) -> None:
    console = Console(file=io.StringIO())
    [done] = run([FakeRow("row", "", 0.4)], NO_LAB, extent, tmp_path / "out", console)
    assert done.report is not None
    assert done.report.outcomes[0].figures == {"scale": scale}
    assert [verdict.word for verdict in done.report.verdicts] == [word]


def test_every_row_of_the_catalogue_can_be_loaded_under_its_name() -> None:
    assert [row.load().name for row in ROWS] == [row.name for row in ROWS]


def test_rows_are_chosen_by_name() -> None:
    assert chosen(None) == list(ROWS)
    assert [row.name for row in chosen(["storage", "sink_both"])] == ["sink_both", "storage"]
    with pytest.raises(ValueError, match="no row is called nope; there are sink_events, "):
        chosen(["nope"])


@pytest.mark.engines
@pytest.mark.bench
@pytest.mark.timeout(900)  # the first time, Go fetches what its contender is made of
def test_a_row_is_measured_end_to_end(tmp_path: Path) -> None:
    """Small, but with every contender and its ledger: the peers must not rot either."""
    screen, out = io.StringIO(), tmp_path / "out.jsonl"
    with local_lab() as lab:
        finished = run(chosen(["sink_events"]), lab, Extent(scale=0.01), out, Console(file=screen))
    assert finished[0].report is not None, finished[0].failure
    contenders = [outcome.contender for outcome in finished[0].report.outcomes]
    assert contenders[0] == OURS
    assert len(contenders) >= 4
    assert len(out.read_text().splitlines()) == 2
