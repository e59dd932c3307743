"""`clickstream erase`: all data of a user, from every table, for good."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer


def command(
    user_id: Annotated[
        str | None,
        typer.Option(
            "--user-id",
            help="As it was posted; or, where user ids are hashed, also as it is stored. - reads it"
            " from standard input, which leaves no trace in the shell's history.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be deleted.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option(
            "--reapply",
            help="Instead: apply every erasure there ever was once more, as Kafka remembers them."
            " For tables out of a backup.",
        ),
    ] = False,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="Give up after so long; again goes on.")
    ] = 600.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="The result as one line of JSON.")
    ] = False,
) -> None:
    """Erase all sessions, events, marks and dead letters of a user.

    What was posted until now is gone from every read, export, view and table when this ends, which
    it proves by counting; it stays gone through redeliveries and replays. Sessions that this user
    makes later are new data. Needs running workers. Exit status 0 when no row is left.
    """
    if again:
        _reapply(seconds, as_json=as_json)
        return
    if user_id is None:
        raise typer.BadParameter("say whom", param_hint="--user-id")
    user_id = sys.stdin.readline().rstrip("\n") if user_id == "-" else user_id
    if not user_id.strip():
        raise typer.BadParameter("must not be blank", param_hint="--user-id")
    if dry_run:
        _preview(user_id, seconds, as_json=as_json)
    else:
        _erase(user_id, seconds, as_json=as_json)


def _preview(user_id: str, seconds: float, *, as_json: bool) -> None:
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.erasure.erase import preview
    from clickstream.operations.erasure.report import preview_as_dict, preview_lines_of
    from core.clock import SystemClock

    found = preview(operator_settings(), user_id, SystemClock(), seconds)
    lines = [json.dumps(preview_as_dict(found))] if as_json else preview_lines_of(found)
    typer.echo("\n".join(lines))


def _reapply(seconds: float, *, as_json: bool) -> None:
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.erasure.reapply import reapply
    from core.clock import SystemClock

    deleted = reapply(
        operator_settings(), SystemClock(), seconds, say=lambda line: typer.echo(line, err=True)
    )
    if as_json:
        typer.echo(json.dumps({"deleted": dict(sorted(deleted.items()))}))
        return
    for table, rows in sorted(deleted.items()):
        typer.echo(f"{rows:,} rows deleted from {table}")
    typer.echo("no row of anybody who was erased is left")


def _erase(user_id: str, seconds: float, *, as_json: bool) -> None:
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.erasure.erase import erase
    from clickstream.operations.erasure.report import as_dict, lines_of
    from core.clock import SystemClock

    outcome = erase(
        operator_settings(),
        user_id,
        requested_by="command line",
        clock=SystemClock(),
        seconds=seconds,
        say=lambda line: typer.echo(line, err=True),
    )
    typer.echo(json.dumps(as_dict(outcome)) if as_json else "\n".join(lines_of(outcome)))
