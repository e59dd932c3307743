"""Options that several commands have, so that they are written and explained the same way."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print the result as one line of JSON.")
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Only print what would be done.")
]
DataDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Data directory of `clickstream up`; default: in the user's data directory."),
]
Host: TypeAlias = Annotated[
    str | None, typer.Option(help="Address to listen on; CLICKSTREAM_HTTP__HOST.")
]
Port: TypeAlias = Annotated[
    int | None, typer.Option(help="Port to listen on; CLICKSTREAM_HTTP__PORT.", min=1, max=65535)
]


class SplitBy(StrEnum):
    """What is kept together in one part of training lists."""

    TIME = "time"
    USER = "user"
    QUERY = "query"


def check_names_a_file(output: Path) -> None:
    """Raises BadParameter for what is, or can only be, a directory."""
    if not output.name or output.is_dir():
        raise typer.BadParameter(f"{output} is a directory: name a file in it")
