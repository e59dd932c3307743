"""`clickstream backup`: tables, schemas and offsets, into a folder or an S3 bucket."""

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
    """Back up the tables, the schemas with their ids, and the workers' offsets.

    All processes go on meanwhile. Exit status 0 when the backup is complete. A backup that was cut
    short has no manifest.json, and `clickstream restore` refuses it.
    """
    from rich.console import Console

    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.backup.create import create_backup
    from clickstream.operations.backup.report import backup_as_dict, backup_lines
    from clickstream.operations.progress import ConsoleProgress
    from core.clock import SystemClock

    # SIGTERM raises SystemExit, so that locks and the staging database are released.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    progress = ConsoleProgress(Console(stderr=True))
    result = create_backup(operator_settings(), target, SystemClock(), progress)
    lines = [json.dumps(backup_as_dict(result))] if as_json else backup_lines(result)
    typer.echo("\n".join(lines))
