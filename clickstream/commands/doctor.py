"""`clickstream doctor`: check the whole system, and say what to do."""

from __future__ import annotations

from typing import Annotated

import typer

from clickstream.commands.options import AsJson, DataDir


def doctor(
    url: Annotated[
        str | None,
        typer.Option(help="URL of the HTTP process, if not that of the settings."),
    ] = None,
    data_dir: DataDir = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="Read all days, not only the newest; may take an hour."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check servers, topics, schemas, tables, workers and lag; say what to do.

    Checks the running `clickstream up`, if there is one, otherwise the servers of the settings.
    Exit status 0 when no check failed, 1 otherwise.
    """
    from rich.console import Console

    from clickstream.operations.doctor import report
    from clickstream.operations.doctor.checks import checks, connect
    from clickstream.operations.doctor.discovery import discover
    from clickstream.operations.doctor.result import healthy
    from clickstream.operations.doctor.runner import (
        CHECK_SECONDS,
        FULL_CHECK_SECONDS,
        run_checks,
    )
    from core.logging import configure_logging

    configure_logging("CRITICAL")  # the results say better why a server does not respond
    system = discover(data_dir, url)
    # Shorter than the limit of a check, so that the error of the client is what is reported.
    full_seconds = FULL_CHECK_SECONDS if full else None
    with connect(
        system.settings,
        system.http_url,
        request_seconds=CHECK_SECONDS / 2,
        full_seconds=full_seconds,
    ) as clients:
        results = run_checks(
            checks(system.settings, clients, http_expected=system.http_expected),
            full_seconds or CHECK_SECONDS,
        )
    if as_json:
        typer.echo(report.as_json(results))
    else:
        report.print_table(results, Console())
    raise typer.Exit(0 if healthy(results) else 1)
