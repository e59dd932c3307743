"""`clickstream erase`: delete all data of a user from every table."""

from __future__ import annotations

import json
import sys
from functools import partial
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
    reapply: Annotated[
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
    if reapply:
        user_id = None
    elif user_id is None:
        raise typer.BadParameter("missing option: --user-id")
    elif user_id == "-":
        user_id = sys.stdin.readline().rstrip("\n")

    from clickstream.local.target_settings import settings_to_change
    from clickstream.operations.erasure import erase as erasure
    from clickstream.operations.erasure import report
    from clickstream.operations.erasure.reapply import reapply as reapply_erasures
    from core.clock import SystemClock
    from core.ids import why_no_id

    if user_id is not None and (why := why_no_id(user_id)) is not None:
        raise typer.BadParameter(why, param_hint="--user-id")
    settings, clock, log = settings_to_change(), SystemClock(), partial(typer.echo, err=True)
    if user_id is None:
        deleted = reapply_erasures(settings, clock, timeout, log)
        fields, lines = report.reapplied_as_dict(deleted), report.reapplied_lines(deleted)
    elif dry_run:
        found = erasure.preview(settings, user_id, clock, timeout)
        fields, lines = report.preview_as_dict(found), report.preview_lines(found)
    else:
        result = erasure.erase(
            settings,
            user_id,
            requested_by="command line",
            clock=clock,
            seconds=timeout,
            log=log,
        )
        fields, lines = report.erasure_as_dict(result), report.erasure_lines(result)
    typer.echo(json.dumps(fields) if as_json else "\n".join(lines))
