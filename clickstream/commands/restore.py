"""`clickstream restore`: a backup into an empty database, with the workers' offsets."""

from __future__ import annotations

import json
import signal
import sys
from typing import Annotated

import typer


def command(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="What was given to `clickstream backup`.")
    ],
    into_database: Annotated[
        str | None,
        typer.Option(
            "--into-database",
            help="Restore only the tables, into this other database. Workers may run.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check, and show what would be done.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The result as one line of JSON.")
    ] = False,
) -> None:
    """Restore a backup into an empty database.

    Tables and schemas are restored as they were. Users who were erased since are erased again. The
    workers must be stopped; they resume from the backup's offsets. Exit status 0 when the restore
    is complete.
    """
    from rich.console import Console

    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.backup.report import restore_as_dict, restore_lines
    from clickstream.operations.backup.restore import preview, restore
    from clickstream.operations.progress import ConsoleProgress
    from core.clock import SystemClock

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if dry_run:
        result = preview(operator_settings(), source, into_database)
    else:
        progress = ConsoleProgress(Console(stderr=True))
        result = restore(operator_settings(), source, SystemClock(), progress, into_database)
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if as_json:
        typer.echo(json.dumps(restore_as_dict(result, dry_run=dry_run)))
    else:
        typer.echo("\n".join(restore_lines(result, dry_run=dry_run)))
