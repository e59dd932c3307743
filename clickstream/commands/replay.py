"""`clickstream replay`: rebuild ClickHouse from Kafka, and swap the result in."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from clickstream.operations.rebuild.coverage import Plan
    from clickstream.operations.rebuild.run import Outcome
    from clickstream.operations.rebuild.start_point import Origin


def replay(
    origin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="earliest|timestamp:T|offset:N",
            help="The whole history; or what came at T (RFC 3339, or epoch milliseconds) or later;"
            " or offset N of every partition and later. Rows from before T or N are kept.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check, and say what would be read.")
    ] = False,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Keep the old tables in a database of their own.")
    ] = False,
    recover: Annotated[
        bool,
        typer.Option(
            "--recover", help="Only make the tables whole again after a replay that was killed."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The result as one line of JSON.")
    ] = False,
) -> None:
    """Rebuild sessions, events, marks and dead letters from Kafka, and swap them in.

    Edge and workers keep running: reads answer 503 for the moment of the swap, workers wait. A
    range that Kafka no longer holds is refused. Exit status 0 when the tables hold what they held
    before; 1 when they differ (the old ones are then kept), or when nothing was done.
    """
    # An order to stop is an error like any other: what is under way is put back.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if recover:
        _recover(as_json=as_json)
    elif origin is None:
        raise typer.BadParameter("say from where", param_hint="--from")
    elif dry_run:
        _preview(_parse(origin), as_json=as_json)
    else:
        _replay(_parse(origin), keep_old=keep_old, as_json=as_json)


def _parse(text: str) -> Origin:
    from clickstream.operations.rebuild.start_point import parse_origin

    return parse_origin(text)


def _recover(*, as_json: bool) -> None:
    from rich.console import Console

    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.progress import ConsoleProgress
    from clickstream.operations.rebuild.run import recover
    from core.clock import SystemClock

    done = recover(operator_settings(), SystemClock(), ConsoleProgress(Console(stderr=True)))
    word = done.name.lower().replace("_", " ")
    typer.echo(json.dumps({"done": word}) if as_json else f"recovered: {word}")


def _preview(origin: Origin, *, as_json: bool) -> None:
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.rebuild.run import preview

    plan = preview(operator_settings(), origin)
    if as_json:
        typer.echo(json.dumps(_plan_as_json(origin, plan)))
        return
    for place in sorted(plan.starts):
        start, end = plan.starts[place], plan.ends[place]
        typer.echo(f"{place.topic}/{place.partition}: {start:,} to {end:,} ({end - start:,})")
    kept = "; older rows are kept" if plan.keeps_older else ""
    typer.echo(f"would read {plan.records:,} records{kept}")


def _plan_as_json(origin: Origin, plan: Plan) -> dict[str, object]:
    return {
        "from": str(origin),
        "records": plan.records,
        "keeps_older": plan.keeps_older,
        "partitions": [
            {
                "topic": place.topic,
                "partition": place.partition,
                "start": plan.starts[place],
                "end": plan.ends[place],
            }
            for place in sorted(plan.starts)
        ],
    }


def _replay(origin: Origin, *, keep_old: bool, as_json: bool) -> None:
    from rich.console import Console

    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.progress import ConsoleProgress
    from clickstream.operations.rebuild.report import as_dict, print_outcome
    from clickstream.operations.rebuild.run import replay
    from core.clock import SystemClock

    progress = ConsoleProgress(Console(stderr=True))
    outcome: Outcome = replay(
        operator_settings(), origin, SystemClock(), progress, keep_old=keep_old
    )
    if as_json:
        typer.echo(json.dumps(as_dict(outcome)))
    else:
        print_outcome(outcome, Console())
    raise typer.Exit(0 if outcome.equal else 1)
