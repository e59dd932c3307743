"""`clickstream restore`: a backup into an empty database, and the workers back to where it was."""

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
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            help="Only the tables, into this database, beside the live one. Workers may go on.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check, and say what would be done.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The result as one line of JSON.")
    ] = False,
) -> None:
    """Restore a backup into an empty database.

    Tables and schemas come back as they were, users who were erased since are erased again, and
    the workers, which must not run meanwhile, go on in Kafka where the backup was. Exit status 0
    when all of it is done.
    """
    from rich.console import Console

    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.backup.report import restored_as_dict, restored_lines
    from clickstream.operations.backup.restore import bring_back, preview
    from clickstream.operations.progress import ConsoleProgress
    from core.clock import SystemClock

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if dry_run:
        done = preview(operator_settings(), source, database)
    else:
        progress = ConsoleProgress(Console(stderr=True))
        done = bring_back(operator_settings(), source, SystemClock(), progress, database)
    for warning in done.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if as_json:
        typer.echo(json.dumps(restored_as_dict(done, dry_run=dry_run)))
    else:
        typer.echo("\n".join(restored_lines(done, dry_run=dry_run)))
