"""`clickstream erase`: delete all data of a user from every table."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from clickstream.commands.options import AsJson, DryRun


def erase(
    user_id: Annotated[
        str | None,
        typer.Option(
            "--user-id",
            help="The id as it was posted, or, where user ids are hashed, as it is stored. With -"
            " it is read from standard input, which leaves no trace in the shell's history.",
        ),
    ] = None,
    dry_run: DryRun = False,
    again: Annotated[
        bool,
        typer.Option(
            "--reapply",
            help="Apply every earlier erasure again, as Kafka has them. For tables from a backup.",
        ),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=1, help="Stop after this many seconds; run again to resume."),
    ] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Erase all sessions, events, marks and dead letters of a user.

    When this ends, no read, export, view or table has any data of the user that was posted until
    now; the rows are counted to prove it. Redeliveries and replays do not bring the data back.
    Later sessions of this user are new data. Workers must be running. Exit status 0 when no row is
    left.
    """
    if again:
        _reapply(timeout, as_json=as_json)
        return
    if user_id is None:
        raise typer.BadParameter("missing option: --user-id")
    user_id = sys.stdin.readline().rstrip("\n") if user_id == "-" else user_id
    if not user_id.strip():
        raise typer.BadParameter("must not be blank", param_hint="--user-id")
    if dry_run:
        _preview(user_id, timeout, as_json=as_json)
    else:
        _erase(user_id, timeout, as_json=as_json)


def _preview(user_id: str, seconds: float, *, as_json: bool) -> None:
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.erasure.erase import preview
    from clickstream.operations.erasure.report import preview_as_dict, preview_lines
    from core.clock import SystemClock

    found = preview(operator_settings(), user_id, SystemClock(), seconds)
    lines = [json.dumps(preview_as_dict(found))] if as_json else preview_lines(found)
    typer.echo("\n".join(lines))


def _reapply(seconds: float, *, as_json: bool) -> None:
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.erasure.reapply import reapply
    from core.clock import SystemClock

    deleted = reapply(
        operator_settings(), SystemClock(), seconds, log=lambda line: typer.echo(line, err=True)
    )
    if as_json:
        typer.echo(json.dumps({"deleted": dict(sorted(deleted.items()))}))
        return
    for table, rows in sorted(deleted.items()):
        typer.echo(f"{rows:,} rows deleted from {table}")
    typer.echo("every earlier erasure is applied again")


def _erase(user_id: str, seconds: float, *, as_json: bool) -> None:
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.erasure.erase import erase
    from clickstream.operations.erasure.report import erasure_as_dict, erasure_lines
    from core.clock import SystemClock

    result = erase(
        operator_settings(),
        user_id,
        requested_by="command line",
        clock=SystemClock(),
        seconds=seconds,
        log=lambda line: typer.echo(line, err=True),
    )
    typer.echo(json.dumps(erasure_as_dict(result)) if as_json else "\n".join(erasure_lines(result)))
