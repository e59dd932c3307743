"""`clickstream migrate`: bring the ClickHouse schema up to date."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from clickstream.commands.options import AsJson, DryRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.migrate import Migration


def migrate(
    dry_run: DryRun = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; fail when the live schema is not ours."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the database and apply the migrations that it does not have yet.

    --check also compares every table and column with what the migrations declare, for which it
    makes a database of its own for a moment. Exit status 1 when something is pending or differs.
    """
    from clickstream.local.target_settings import operator_settings
    from schemas.declared import diff
    from schemas.migrate import migrate, pending

    settings = operator_settings()
    if check:
        _report_check([str(m) for m in pending(settings)], diff(settings), as_json=as_json)
    elif dry_run:
        _report("pending", pending(settings), as_json=as_json)
    else:
        _report("applied", migrate(settings), as_json=as_json)


def _report(what: str, migrations: Sequence[Migration], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({what: [str(migration) for migration in migrations]}))
        return
    for migration in migrations:
        statements = f"{len(migration.statements)} statements, {migration.nodes}"
        typer.echo(f"{what} {migration} ({statements})")
    if not migrations:
        typer.echo("the schema is up to date")


def _report_check(waiting: list[str], differences: list[str], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"pending": waiting, "differences": differences}))
    else:
        for name in waiting:
            typer.echo(f"pending {name}: run `clickstream migrate`")
        for difference in differences:
            typer.echo(difference)
        if not waiting and not differences:
            typer.echo("the live schema is the declared one")
    if waiting or differences:
        raise typer.Exit(1)
