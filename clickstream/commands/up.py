"""`clickstream up`: everything on this machine, in the foreground, until Ctrl-C."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickstream.commands.options import AsJson, DataDir

if TYPE_CHECKING:
    from clickstream.local.endpoints import Endpoints


def up(
    data_dir: DataDir = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0: any free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Number of stream processors.")] = 1,
    ephemeral: Annotated[
        bool, typer.Option("--ephemeral", help="Use a temporary directory, removed at the end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start Kafka, the schema registry, ClickHouse, the HTTP process and the workers.

    Prints one line with every address once all are ready, then runs until Ctrl-C and restarts
    processes that die. A second start on the same directory finds all data again.
    """
    from clickstream.local.data_directory import default_data_directory
    from clickstream.local.up.foreground import run_in_foreground
    from clickstream.local.up.stack import StackOptions
    from clickstream.operations.provision import prepare

    def announce(endpoints: Endpoints) -> None:
        print(_json_line(endpoints) if as_json else _line(endpoints), flush=True)

    if not ephemeral:
        run_in_foreground(
            StackOptions(data_dir or default_data_directory(), port, workers), prepare, announce
        )
        return
    if data_dir is not None:
        raise typer.BadParameter("--ephemeral uses a temporary directory: leave out --data-dir")
    with tempfile.TemporaryDirectory(prefix="clickstream-") as folder:
        run_in_foreground(StackOptions(Path(folder), port, workers), prepare, announce)


def _addresses(endpoints: Endpoints) -> dict[str, str]:
    return {
        "http": endpoints.http,
        "docs": endpoints.docs,
        "kafka": endpoints.kafka,
        "registry": endpoints.registry,
        "clickhouse": endpoints.clickhouse,
    }


def _line(endpoints: Endpoints) -> str:
    return "ready " + " ".join(f"{name}={url}" for name, url in _addresses(endpoints).items())


def _json_line(endpoints: Endpoints) -> str:
    return json.dumps({"ready": True, "pid": endpoints.pid, **_addresses(endpoints)})
