"""`clickstream restore`: a backup into an empty database, with the workers' offsets."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from clickstream.commands.options import AsJson, DryRun


def restore(
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
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with a restore that was cut short."),
    ] = False,
    accept_missing_erasures: Annotated[
        bool,
        typer.Option(
            "--accept-missing-erasures",
            help="Restore although it is not known who was erased after the backup.",
        ),
    ] = False,
    accept_data_loss: Annotated[
        bool,
        typer.Option(
            "--accept-data-loss",
            help="Restore although records that came after the backup are gone.",
        ),
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty database.

    Tables and schemas are restored as they were. Users who were erased since are erased again. The
    workers must be stopped; they resume from the backup's offsets. Exit status 0 when the restore
    is complete.
    """
    from clickstream.local.target_settings import settings_to_change
    from clickstream.operations.backup.report import restore_as_dict, restore_lines
    from clickstream.operations.backup.restore import RestoreOptions, preview, restore
    from clickstream.progress import ConsoleProgress
    from core.clock import SystemClock

    options = RestoreOptions(into_database, resume, accept_missing_erasures, accept_data_loss)
    if dry_run:
        result = preview(settings_to_change(), source, options)
    else:
        progress = ConsoleProgress()
        result = restore(settings_to_change(), source, SystemClock(), progress, options)
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if as_json:
        typer.echo(json.dumps(restore_as_dict(result, dry_run=dry_run)))
    else:
        typer.echo("\n".join(restore_lines(result, dry_run=dry_run)))
