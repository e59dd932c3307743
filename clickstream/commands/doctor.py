"""`clickstream doctor`: is everything as it should be, and if not, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    url: Annotated[
        str | None, typer.Option(help="Where the HTTP process listens, if not where settings say.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Data folder of the `clickstream up` to look at.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Check servers, topics, schemas, tables, workers and lag; say what to do.

    Looks at the running `clickstream up`, if there is one, otherwise at the servers that the
    settings name. Exit status 0 when nothing failed, 1 otherwise.
    """
    from rich.console import Console

    from clickstream.operations.doctor import report
    from clickstream.operations.doctor.checks import checks, live_views
    from clickstream.operations.doctor.discovery import find_target
    from clickstream.operations.doctor.result import healthy
    from clickstream.operations.doctor.runner import CHECK_SECONDS, examine
    from core.logging import configure_logging

    configure_logging("CRITICAL")  # what clients log of a silent server, a finding says better
    target = find_target(data_dir, url)
    # Shorter than the check itself, so that a silent server is named by the error of its client.
    views = live_views(target.settings, target.http_url, request_seconds=CHECK_SECONDS / 2)
    findings = examine(checks(target.settings, views, http_is_ours=target.http_is_ours))
    if as_json:
        typer.echo(report.as_json(findings))
    else:
        report.print_table(findings, Console())
    raise typer.Exit(0 if healthy(findings) else 1)
