"""`clickstream replay`: the rows of ClickHouse written again from Kafka."""

from __future__ import annotations

import json
import signal
import sys
from typing import Annotated

import typer


def replay(
    origin: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="earliest|timestamp:T|offset:N",
            help="The whole history; or what came at T (RFC 3339, or epoch milliseconds) or later;"
            " or offset N of every partition and later. Rows from before T or N stay.",
        ),
    ],
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh",
            help="Into new tables, which are then exchanged for the present ones. For when rows"
            " come out differently than they are stored. Stop the workers first.",
        ),
    ] = False,
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Begin at --from, even if the same replay was cut short."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check, and say what would be read.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The result as one line of JSON.")
    ] = False,
) -> None:
    """Write sessions, events, marks and dead letters again from Kafka, into the live tables.

    Edge, workers and readers keep running. A row that is there is written again as it is; a row
    that was lost is back. Run it again after Ctrl-C: it goes on where it was. A range that Kafka no
    longer holds is refused. Exit status 1 when sessions are left that need --fresh, or when nothing
    was done.
    """
    from rich.console import Console

    from clickstream.local.target_settings import settings_to_change
    from clickstream.operations.replay.fresh import replay_fresh
    from clickstream.operations.replay.report import (
        as_dict,
        plan_as_dict,
        print_outcome,
        print_plan,
    )
    from clickstream.operations.replay.run import preview, replay
    from clickstream.operations.replay.start_point import parse_origin
    from clickstream.progress import ConsoleProgress
    from core.clock import SystemClock

    # An order to stop is an error like any other: the lease is given back.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    start, settings = parse_origin(origin), settings_to_change()
    if dry_run:
        plan = preview(settings, start, fresh=fresh)
        if as_json:
            typer.echo(json.dumps(plan_as_dict(start, plan)))
        else:
            print_plan(plan, Console())
        return
    clock, progress = SystemClock(), ConsoleProgress(Console(stderr=True))
    if fresh:
        outcome = replay_fresh(settings, start, clock, progress)
    else:
        outcome = replay(settings, start, clock, progress, restart=restart)
    if as_json:
        typer.echo(json.dumps(as_dict(outcome)))
    else:
        print_outcome(outcome, Console())
    raise typer.Exit(1 if outcome.on_two_days else 0)
