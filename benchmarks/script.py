"""What every benchmark script has in common: its options, its rounds, its report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console

from benchmarks.lab import Lab, external_lab, local_lab
from benchmarks.outcome import Outcome, Report, Target
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Size:
    """How much work: `scale` 1.0 is what the targets are stated for, less is a quick look."""

    scale: float = 1.0

    def of(self, full: int) -> int:
        """So many of what would be `full` at scale 1, one at least."""
        return max(1, round(full * self.scale))


class Round(Protocol):
    """Measures every contender once."""

    def __call__(self, lab: Lab, size: Size) -> Iterator[Outcome]: ...


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One row of the list of targets."""

    name: str
    round: Round
    targets: Sequence[Target]


def measure(benchmark: Benchmark, lab: Lab, size: Size, rounds: int) -> Report:
    """Medians over the rounds."""
    return Report.of(
        benchmark.name, (list(benchmark.round(lab, size)) for _ in range(rounds)), benchmark.targets
    )


def main(benchmark: Benchmark) -> None:
    """The command line of one script."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(_command(benchmark))
    app()


def _command(benchmark: Benchmark) -> Callable[..., None]:
    def command(
        rounds: Annotated[int, typer.Option(help="measure so often, give medians")] = 3,
        scale: Annotated[float, typer.Option(help="share of the full amount of work")] = 1.0,
        data_dir: Annotated[Path | None, typer.Option(help="keep the servers' data here")] = None,
        own: Annotated[bool, typer.Option(help="on the servers of the settings")] = False,
    ) -> None:
        with external_lab(Settings()) if own else local_lab(data_dir) as lab:
            report = measure(benchmark, lab, Size(scale), rounds)
        print(report.to_json())
        report.print(Console(stderr=True))

    return command
