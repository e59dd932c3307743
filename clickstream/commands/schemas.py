"""`clickstream schemas`: the Avro schemas, here and in the registry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from clickstream.commands.options import AsJson

app = typer.Typer(help="Check, register or list the Avro schemas.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class _Row:
    """One record as `list` shows it; None: not registered."""

    record: str
    version: int
    subject: str
    registered_version: int | None
    schema_id: int | None


@app.command("list")
def list_schemas(as_json: AsJson = False) -> None:
    """Each record with our newest version and the newest one in the registry."""
    from clickstream.local.target_settings import operator_settings
    from schemas.contracts import ALL
    from schemas.registry import ConfluentRegistry
    from schemas.topics import Topics

    settings = operator_settings()
    topics = Topics.from_settings(settings)
    rows = []
    with ConfluentRegistry.from_settings(settings) as registry:
        for contract in ALL:
            latest = registry.latest(topics.subject_of(contract))
            rows.append(
                _Row(
                    record=contract.name,
                    version=contract.version,
                    subject=topics.subject_of(contract),
                    registered_version=latest.version if latest else None,
                    schema_id=latest.schema_id if latest else None,
                )
            )
    if as_json:
        typer.echo(json.dumps({"schemas": [asdict(row) for row in rows]}))
    else:
        _print_table(rows)


@app.command("register")
def register(as_json: AsJson = False) -> None:
    """Register every version of every record, held to FULL_TRANSITIVE; idempotent."""
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.provision import register_contracts
    from schemas.registry import ConfluentRegistry
    from schemas.topics import Topics

    settings = operator_settings()
    with ConfluentRegistry.from_settings(settings) as registry:
        ids = register_contracts(registry, Topics.from_settings(settings))
    if as_json:
        typer.echo(json.dumps({"schema_ids": ids}))
        return
    for subject, schema_id in ids.items():
        typer.echo(f"{subject}: id {schema_id}")


@app.command("check")
def check(
    directory: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Folder of <record>.v<n>.avsc; default: our own."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare every version of a record with all others (FULL_TRANSITIVE); needs no server.

    Exit status 1 when a version cannot be read by another, naming the field and the rule.
    """
    from schemas.compatibility import incompatibilities
    from schemas.contracts import VERSIONS, load_versions

    records = VERSIONS if directory is None else load_versions(directory)
    found = [
        str(incompatibility)
        for name, versions in records.items()
        for incompatibility in incompatibilities(
            name, {contract.version: contract.text for contract in versions}
        )
    ]
    if as_json:
        typer.echo(json.dumps({"compatible": not found, "incompatibilities": found}))
    elif found:
        for line in found:
            typer.echo(line)
    else:
        counts = ", ".join(f"{name} ({len(versions)})" for name, versions in records.items())
        typer.echo(f"compatible: {counts}")
    if found:
        raise typer.Exit(1)


def _print_table(rows: Sequence[_Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("record", "version", "subject", "in the registry", "id", box=None)
    for row in rows:
        registered = (row.registered_version, row.schema_id)
        cells = ("missing" if part is None else str(part) for part in registered)
        table.add_row(row.record, str(row.version), row.subject, *cells)
    Console().print(table)
    if any(row.registered_version is None for row in rows):
        typer.echo("run `clickstream schemas register`")
