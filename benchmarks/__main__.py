"""All benchmarks, one after another: `python -m benchmarks`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.catalogue import chosen
from benchmarks.lab import local_lab
from benchmarks.series import Extent, run, screen, sum_up

LATEST = Path(__file__).parent / "results" / "latest.jsonl"


def command(
    full: Annotated[
        bool, typer.Option("--full", help="The amounts that the targets are stated for: hours.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="This row alone; may be given several times.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(help="Measure so often, give medians. Short: 1; full: 3.", min=1)
    ] = None,
    out: Annotated[Path, typer.Option(help="One line of JSON for each row.")] = LATEST,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the servers' data here, so that loading is done once.")
    ] = None,
) -> None:
    """Measure everything on the local servers, beside what users might pick instead.

    The short form takes up to 15 minutes on 2 cores. A target that is missed is a finding, and the
    exit status stays 0; it is 1 when a row could not be measured, or its ledger did not add up.
    """
    console = screen()
    try:
        rows = chosen(only)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from error
    with local_lab(data_dir) as lab:
        finished = run(rows, lab, Extent(full, rounds), out, console)
    sum_up(finished, console)
    raise typer.Exit(1 if any(done.report is None for done in finished) else 0)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(command)
    app()
