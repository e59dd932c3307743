"""`clickstream backup`: tables, schemas and offsets, into a folder or an S3 bucket."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from clickstream.commands.options import AsJson


def backup(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A new folder that ClickHouse may write to, or an S3 URL"
            " (https://BUCKET.s3.REGION.amazonaws.com/NAME).",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Back up the tables, the schemas with their ids, and the workers' offsets.

    All processes go on meanwhile. Exit status 0 when the backup is complete. A backup that was cut
    short has no manifest.json, and `clickstream restore` refuses it.
    """
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.backup.create import create_backup
    from clickstream.operations.backup.report import backup_as_dict, backup_lines
    from clickstream.progress import ConsoleProgress
    from core.clock import SystemClock

    progress = ConsoleProgress()
    result = create_backup(operator_settings(), target, SystemClock(), progress)
    lines = [json.dumps(backup_as_dict(result))] if as_json else backup_lines(result)
    typer.echo("\n".join(lines))
