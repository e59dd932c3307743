"""`clickstream demo`: traffic through the public API, then a ledger of every id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clickstream.commands.options import AsJson, DataDir

if TYPE_CHECKING:
    from pathlib import Path

    from clickstream.local.demo.result import DemoResult
    from clickstream.local.endpoints import Endpoints
    from clickstream.progress import ProgressReporter
    from core.clock import Clock
    from core.settings import Settings

# A month has thirty partitions in each table: a minute, or several on a busy machine.
_REMOVAL_SECONDS = 900.0
_DEMO_SESSIONS = 2_500


def demo(
    sessions: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many searches to simulate; default: 2,500, with --data-only 3,000."
        ),
    ] = None,
    data_only: Annotated[
        bool,
        typer.Option(
            "--data-only", help="Only load a month of sample data, of users named sample-user-…."
        ),
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Only delete the sample data again.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Start a temporary system, and stop it at the end.")
    ] = False,
    data_dir: DataDir = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="HTTP port; default: 8000, or any free one with --once."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds make equal traffic.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Send realistic traffic through the public API, read it back and compare.

    Uses the running system, or starts one, which stays up until Ctrl-C; with --once a temporary
    one. Exit status 0 when every acknowledged id is readable, once and as it was sent; 1 otherwise.
    """
    from clickstream.local.demo.stack import running_stack, temporary_stack

    if data_only or remove:
        _sample_data(sessions, data_dir, port, remove=remove)
        return
    if once and data_dir is None:
        system = temporary_stack(port or 0)
    else:
        system = running_stack(data_dir, 8000 if port is None else port)
    with system as (endpoints, ours):
        typer.echo(f"console: {endpoints.http}/", err=True)
        result = _drive(endpoints, sessions or _DEMO_SESSIONS, seed)
        _print(result, as_json=as_json)
        if not once:
            _print_next_steps(endpoints, data_dir)
        if ours and not once:
            _stay_up()
    raise typer.Exit(0 if result.passed else 1)


def _sample_data(
    sessions: int | None, data_dir: Path | None, port: int | None, *, remove: bool
) -> None:
    """Load or delete it, on the running system or on one that then stays up."""
    import asyncio

    from clickstream.local.demo.sample import load
    from clickstream.local.demo.sample.month import SAMPLE_SESSIONS
    from clickstream.local.demo.stack import running_stack
    from clickstream.local.target_settings import settings_for
    from clickstream.progress import ConsoleProgress
    from core.clock import SystemClock

    clock, progress = SystemClock(), ConsoleProgress()
    with running_stack(data_dir, 8000 if port is None else port) as (endpoints, ours):
        settings = settings_for(endpoints)
        if remove:
            _remove_sample_data(settings, clock, progress)
            return
        count = sessions or SAMPLE_SESSIONS
        loaded = asyncio.run(load.load(count, endpoints.http, settings, clock, progress))
        option = f" --data-dir {data_dir}" if data_dir else ""
        typer.echo(
            f"{loaded.sessions} searches of the last 30 days, of users named sample-user-…\n"
            f"Look at them:    {endpoints.http}/\n"
            f"Delete them:     {_typed()} demo --remove{option}"
        )
        if ours:
            _stay_up()


def _remove_sample_data(settings: Settings, clock: Clock, progress: ProgressReporter) -> None:
    from clickstream.local.demo.sample.month import USERS
    from clickstream.operations.erasure.erase import erase_users

    erased = erase_users(
        settings,
        USERS,
        requested_by="clickstream demo --remove",
        clock=clock,
        seconds=_REMOVAL_SECONDS,
        log=progress.say,
    )
    typer.echo(f"{erased.sessions} sessions of sample data are deleted")


def _drive(endpoints: Endpoints, sessions: int, seed: int) -> DemoResult:
    import asyncio

    from clickstream.local.demo.run import DemoOptions, run
    from clickstream.local.target_settings import settings_for
    from clickstream.progress import ConsoleProgress
    from core.clock import SystemClock

    progress = ConsoleProgress()
    return asyncio.run(
        run(
            DemoOptions(sessions, seed),
            endpoints.http,
            settings_for(endpoints),
            SystemClock(),
            progress,
        )
    )


def _print(result: DemoResult, *, as_json: bool) -> None:
    import json

    from rich.console import Console

    from clickstream.local.demo.report import print_result

    if as_json:
        typer.echo(json.dumps(result.as_json(), ensure_ascii=False))
    else:
        print_result(result, Console())


def _print_next_steps(endpoints: Endpoints, data_dir: Path | None) -> None:
    """On standard error, so that standard output is the result alone."""
    from clickstream.local.demo.report import analyst_url, next_steps

    option = f" --data-dir {data_dir}" if data_dir else ""
    typer.echo(next_steps(endpoints, analyst_url(endpoints), option, _typed()), err=True)


def _typed() -> str:
    """What to type for this command: `make demo` runs it from a folder that is not on PATH."""
    import shutil
    import sys
    from pathlib import Path

    called = Path(sys.argv[0])
    is_hidden = called.name == "clickstream" and shutil.which("clickstream") is None
    return str(called) if is_hidden else "clickstream"


def _stay_up() -> None:
    """Until Ctrl-C, which is how it is meant to end and therefore no error."""
    import signal
    import threading

    # Set, not inherited: a shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        typer.echo("The system stays up until Ctrl-C.", err=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo("stopping", err=True)
