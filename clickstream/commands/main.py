"""The list of subcommands. `clickstream/commands/NAME.py` has each as a function of that name, or
as `app` where it has subcommands of its own.

Those modules import their heavy parts inside the function, so that `--help` stays fast.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from pydantic import ValidationError

from core.errors import ClickstreamError, Unavailable

COMMANDS: Final = {
    "up": "Start the whole system on this machine.",
    "demo": "Send realistic traffic, read it back, compare.",
    "edge": "Serve the write API.",
    "worker": "Run one stream processor: Kafka to ClickHouse.",
    "api": "Serve the read API.",
    "migrate": "Bring the ClickHouse schema up to date.",
    "topics": "List or create the Kafka topics.",
    "schemas": "Check, register or list the Avro schemas.",
    "grants": "Print the ClickHouse rights of each process as SQL.",
    "keys": "Make API keys, or check one.",
    "tail": "Watch events as they come.",
    "judgments": "Judge objects for queries by clicks, into a file.",
    "export": "Write sessions, events or training files.",
    "release": "Make, list, show, get, verify or retire releases.",
    "replay": "Read Kafka again into ClickHouse.",
    "erase": "Delete all data of a user.",
    "backup": "Back up tables, schemas and offsets.",
    "restore": "Restore a backup into an empty database.",
    "dlq": "List, show, replay or purge dead letters.",
    "doctor": "Check every part, and say what to do.",
    "bench": "Measure how fast it is on your servers.",
}

# EX_TEMPFAIL of sysexits.h: a server is away or busy.
_TRY_AGAIN: Final = 75

# These handle signals themselves: they finish what is under way.
_SERVERS: Final = {"up", "edge", "worker", "api"}

# Help pages without boxes: only so are paragraphs wrapped as text.
app = typer.Typer(
    name="clickstream",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _before_every_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Search clickstream: what was searched, shown and done, from HTTP to ClickHouse."""
    if version:
        from clickstream import __version__

        typer.echo(f"clickstream {__version__}")
        raise typer.Exit
    _check_settings()
    if context.invoked_subcommand not in _SERVERS:
        # SIGTERM raises SystemExit, so that an operation releases its locks and removes what it
        # has begun.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _check_settings() -> None:
    """A misspelt name is refused before anything is done. Help needs no settings."""
    from core.kafka.check_options import check_kafka_options
    from core.settings import Settings
    from core.unknown_settings import refuse_unknown_settings

    if {"--help", "-h"} & set(sys.argv):
        return
    refuse_unknown_settings(os.environ, Path(".env"))
    if any(name.upper().startswith("CLICKSTREAM_KAFKA__") for name in os.environ):
        check_kafka_options(Settings())


gc.disable()  # what is imported is no garbage: looking for it takes a tenth of the time
for _name, _summary in COMMANDS.items():
    _module = importlib.import_module(f"clickstream.commands.{_name}")
    if hasattr(_module, "app"):
        app.add_typer(_module.app, name=_name, short_help=_summary)
    else:
        app.command(_name, short_help=_summary)(getattr(_module, _name))
gc.enable()


def main() -> None:
    """Run the command. An expected error is one line on stderr; the exit status is 75 (EX_TEMPFAIL)
    when the same command may succeed later, and 1 when something must be changed first."""
    try:
        try:
            app()
        except Unavailable:
            # A server that is spoken to in the wrong way looks as if it did not answer.
            from core.settings import Settings
            from core.tls_check import refuse_tls_mistakes

            refuse_tls_mistakes(Settings())
            raise
    except Unavailable as error:
        _fail(str(error), _TRY_AGAIN)
    except ClickstreamError as error:
        _fail(str(error))
    except OSError as error:
        _fail(_said(error))
    except ValidationError as error:
        # Only settings are validated by pydantic here. Its own text would show the values, and some
        # of them are secrets.
        for problem in error.errors(include_input=False, include_url=False):
            name = "CLICKSTREAM_" + "__".join(str(part) for part in problem["loc"]).upper()
            why = problem["msg"].removeprefix("Value error, ")
            print(f"clickstream: {name}: {why}", file=sys.stderr)
        _fail("the settings cannot be used; docs/settings.md lists them")


def _said(error: OSError) -> str:
    """The path, if there is one, and what is wrong with it."""
    why = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {why}" if error.filename else why


def _fail(message: str, status: int = 1) -> NoReturn:
    print(f"clickstream: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)
