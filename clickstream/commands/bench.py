"""`clickstream bench`: how fast it is on your servers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from core.settings import Settings


def bench(
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW", help="Only this row; may be given several times."),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="100 million events and 30 minutes where that matters: hours, 60 GB."
        ),
    ] = False,
    rounds: Annotated[
        int | None,
        typer.Option(
            help="Measure each row this many times and take medians. Default: 1; 3 with --full.",
            min=1,
        ),
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Share of the work; 0.1 for a first look.", min=0.001, max=1)
    ] = 1.0,
    out: Annotated[Path, typer.Option(help="File to write: a line of JSON for each row.")] = Path(
        "clickstream-bench.jsonl"
    ),
    yes: Annotated[
        bool, typer.Option("--yes", help="Also load servers that are not on this machine.")
    ] = False,
) -> None:
    """Measure Kafka, schema registry and ClickHouse that the settings name, at full load.

    Rows: sink_events, sink_both, edge_event, edge_session, freshness, point_reads, analytics,
    export, storage, memory. Each drives processes of this machine against your servers, checks that
    nothing was lost or doubled, and says which targets were met. Takes about 15 minutes.

    It creates its own topics and databases, named bench_…, and removes them afterwards. Your data
    is not touched, but your servers are busy meanwhile.

    Not measured: the CPU time of ClickHouse, and with it the row `growth`, because that needs the
    processes of the servers: `python -m benchmarks` starts its own servers and measures all.

    Exit status 0 also when targets are missed; 1 when a row failed or its ledger did not add up.
    """
    from benchmarks.catalogue import chosen
    from benchmarks.lab import external_lab
    from benchmarks.series import Extent, run, screen, sum_up
    from core.settings import Settings

    try:
        rows = chosen(only)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from error
    settings = Settings()
    if not yes:
        _refuse_other_machines(settings)
    console = screen()
    for row in rows:
        if row.needs_pids:
            console.print(f"left out: {row.name}, it needs the CPU time of your ClickHouse")
    with external_lab(settings) as lab:
        rows = [row for row in rows if not row.needs_pids]
        finished = run(rows, lab, Extent(full, rounds, scale), out, console)
    sum_up(finished, console)
    raise typer.Exit(1 if any(done.report is None for done in finished) else 0)


def _refuse_other_machines(settings: Settings) -> None:
    """Raises SetupError: what is elsewhere may be in use by others."""
    from core.errors import SetupError
    from core.loopback import is_loopback

    if elsewhere := [host for host in _hosts(settings) if not is_loopback(host)]:
        raise SetupError(f"{', '.join(elsewhere)} would be under full load; pass --yes to confirm")


def _hosts(settings: Settings) -> list[str]:
    from urllib.parse import urlsplit

    brokers = [f"//{server.strip()}" for server in settings.kafka_bootstrap_servers.split(",")]
    urls = [*brokers, settings.schema_registry_url, settings.clickhouse_url.get_secret_value()]
    return list(dict.fromkeys(urlsplit(url).hostname or "" for url in urls))
