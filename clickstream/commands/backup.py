"""`clickstream backup`: tables, schemas and offsets, into a folder or a bucket."""

from __future__ import annotations

import json
import signal
import sys
from typing import Annotated

import typer


def command(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A new folder that ClickHouse may write to, or an S3 URL"
            " (https://BUCKET.s3.REGION.amazonaws.com/NAME).",
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="The result as one line of JSON.")
    ] = False,
) -> None:
    """Save the tables, the schemas with their ids, and how far the workers are.

    Everything goes on meanwhile. Exit status 0 when the backup is complete; one that was cut short
    has no manifest.json, and is refused by `clickstream restore`.
    """
    from rich.console import Console

    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.backup.create import save
    from clickstream.operations.backup.report import saved_as_dict, saved_lines
    from clickstream.operations.progress import ConsoleProgress
    from core.clock import SystemClock

    # An order to stop is an error like any other: what is under way is put back.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    saved = save(operator_settings(), target, SystemClock(), ConsoleProgress(Console(stderr=True)))
    lines = [json.dumps(saved_as_dict(saved))] if as_json else saved_lines(saved)
    typer.echo("\n".join(lines))
