"""`clickstream migrate`: bring the ClickHouse schema up to date."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from clickstream.commands.options import AsJson, DryRun


def migrate(
    dry_run: DryRun = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; fail when the live schema is not ours."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the database, and apply the files of schemas/ that it lacks.

    Tables that are missing, views whose text changed, migrations of newer releases. --check also
    compares every table, view and column with the declared ones. Exit status 1 when something is
    pending or differs.
    """
    from clickstream.local.target_settings import operator_settings
    from schemas.drift import differences
    from schemas.migrate import migrate, pending

    settings = operator_settings()
    if check:
        _report_check(pending(settings), differences(settings), as_json=as_json)
    elif dry_run:
        _report("pending", pending(settings), as_json=as_json)
    else:
        _report("applied", migrate(settings), as_json=as_json)


def _report(what: str, paths: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({what: list(paths)}))
        return
    for path in paths:
        typer.echo(f"{what} {path}")
    if not paths:
        typer.echo("the schema is up to date")


def _report_check(waiting: Sequence[str], differing: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"pending": list(waiting), "differences": list(differing)}))
    else:
        for path in waiting:
            typer.echo(f"pending {path}: run `clickstream migrate`")
        for difference in differing:
            typer.echo(difference)
        if not waiting and not differing:
            typer.echo("the live schema is the declared one")
    if waiting or differing:
        raise typer.Exit(1)
