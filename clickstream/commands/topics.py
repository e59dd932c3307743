"""`clickstream topics`: look at the Kafka topics, and create those that are missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import typer

from clickstream.commands.options import AsJson

app = typer.Typer(help="Look at the topics, or create them.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class _Row:
    """One topic as `list` shows it; None: not there."""

    topic: str
    partitions: int | None
    declared_partitions: int
    replication_factor: int | None
    drift: list[str]


@app.command("list")
def list_topics(as_json: AsJson = False) -> None:
    """Each topic with its partitions, and in what it differs from the declaration.

    Exit status 1 when a topic is missing or has another partition count.
    """
    from clickstream.local.target_settings import operator_settings
    from schemas.topic_admin import describe_topics
    from schemas.topics import definitions, drift

    settings = operator_settings()
    found = describe_topics(settings)
    rows = []
    for definition in definitions(settings):
        state = found.get(definition.name)
        rows.append(
            _Row(
                topic=definition.name,
                partitions=state.partitions if state else None,
                declared_partitions=definition.partitions,
                replication_factor=state.replication_factor if state else None,
                drift=drift(definition, state) if state else [],
            )
        )
    if as_json:
        typer.echo(json.dumps({"topics": [asdict(row) for row in rows]}))
    else:
        _print_table(rows)
    if any(row.partitions != row.declared_partitions for row in rows):
        raise typer.Exit(1)


@app.command("create")
def create(as_json: AsJson = False) -> None:
    """Create the topics that are missing; existing ones are compared and never changed."""
    from clickstream.local.target_settings import operator_settings
    from schemas.topic_admin import create_topics

    made = create_topics(operator_settings())
    if as_json:
        typer.echo(json.dumps({"created": made.created, "drift": made.drift}))
        return
    for name in made.created:
        typer.echo(f"created {name}")
    if not made.created:
        typer.echo("all topics exist")
    for difference in made.drift:
        typer.echo(f"differs: {difference}")


@app.command("retain")
def retain(as_json: AsJson = False) -> None:
    """Give existing topics the retention of the settings; nothing else about them is changed."""
    from clickstream.local.target_settings import operator_settings
    from schemas.topic_admin import set_topic_retention

    changed = set_topic_retention(operator_settings())
    if as_json:
        typer.echo(json.dumps({"changed": changed}))
        return
    for name in changed:
        typer.echo(f"changed {name}")
    if not changed:
        typer.echo("all topics have the retention of the settings")


def _print_table(rows: Sequence[_Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("topic", "partitions", "replicas", box=None)
    for row in rows:
        counts = (row.partitions, row.replication_factor)
        table.add_row(row.topic, *("missing" if count is None else str(count) for count in counts))
    console.print(table)
    for row in rows:
        if row.partitions not in (None, row.declared_partitions):
            typer.echo(
                f"{row.topic} has {row.partitions} partitions,"
                f" but the settings say {row.declared_partitions}"
            )
        for difference in row.drift:
            typer.echo(f"differs: {difference}")
    if any(row.partitions is None for row in rows):
        typer.echo("run `clickstream topics create`")
