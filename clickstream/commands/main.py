"""The list of subcommands. Each lives in `clickstream/commands/<name>.py` as a function `command`.

Those modules import their heavy parts inside the function, so that `--help` stays fast.
"""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import typer
from pydantic import ValidationError

from core.errors import ClickstreamError

COMMANDS = (
    "up",
    "demo",
    "edge",
    "worker",
    "api",
    "migrate",
    "topics",
    "schemas",
    "grants",
    "keys",
    "export",
    "settle",
    "replay",
    "erase",
    "backup",
    "restore",
    "dlq",
    "doctor",
    "bench",
)

app = typer.Typer(
    name="clickstream",
    help="Search clickstream: what was searched, shown and done, from HTTP to ClickHouse.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

for _name in COMMANDS:
    _command = importlib.import_module(f"clickstream.commands.{_name}").command
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name)
    else:
        app.command(_name)(_command)


def main() -> None:
    """Run the command; an expected error is one line on stderr and exit status 1."""
    try:
        app()
    except ClickstreamError as error:
        _fail(str(error))
    except ValidationError as error:
        # Only settings are validated by pydantic here. Its own text would show the values, and some
        # of them are secrets.
        for problem in error.errors(include_input=False, include_url=False):
            name = "CLICKSTREAM_" + "__".join(str(part) for part in problem["loc"]).upper()
            print(f"clickstream: {name}: {problem['msg']}", file=sys.stderr)
        _fail("the settings cannot be used; docs/settings.md lists them")


def _fail(message: str) -> NoReturn:
    print(f"clickstream: {message}", file=sys.stderr)
    sys.exit(1)
