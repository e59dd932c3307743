"""`clickstream dlq`: list, show, republish and purge dead letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from clickstream.commands.options import AsJson, DryRun

if TYPE_CHECKING:
    from clickstream.operations.dead_letters.dead_letter import Selection
    from core.settings import Settings

app = typer.Typer(
    help="Dead letters: records that could not be processed. docs/dead-letters.md says what to do.",
    no_args_is_help=True,
)

Names: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Names as `list` shows them: events/3@1041"),
]
Reasons: TypeAlias = Annotated[
    list[str] | None, typer.Option("--reason", help="Only these, e.g. wrong_key; repeatable.")
]
TopicNames: TypeAlias = Annotated[
    list[str] | None, typer.Option("--topic", help="Only from these: sessions, events, marks.")
]
Since: TypeAlias = Annotated[
    str | None, typer.Option(help="Failed since: 15m, 2h, 7d ago, or a time in RFC 3339.")
]
StateName: TypeAlias = Annotated[
    str | None,
    typer.Option("--state", help="pending (the default), republished, or all."),
]
All: TypeAlias = Annotated[bool, typer.Option("--all", help="All, without another filter.")]


@app.command("list")
def list_dead_letters(
    reason: Reasons = None,
    topic: TopicNames = None,
    since: Since = None,
    state: StateName = None,
    limit: Annotated[int, typer.Option(min=1, help="Show the newest ones only.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first, and count them by reason."""
    from rich.console import Console

    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.dead_letters import report
    from clickstream.operations.dead_letters.store import DeadLetterStore
    from core.clock import SystemClock

    settings = operator_settings()
    selection = _selection(settings, None, reason, topic, since, state, limit)
    with DeadLetterStore(settings, SystemClock()) as store:
        counts, summaries = store.counts(selection), store.summaries(selection)
    if as_json:
        listed = [report.summary_as_dict(summary) for summary in summaries]
        typer.echo(json.dumps({"counts": dict(counts), "dead_letters": listed}))
    else:
        report.print_list(Console(), summaries, counts)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="The name, as `list` shows it: events/3@1041")],
    most_bytes: Annotated[
        int | None,
        typer.Option("--bytes", min=0, help="Print this many bytes of the value."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: its headers and bytes, the error, and whether republishing helps."""
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.dead_letters import report
    from clickstream.operations.dead_letters.store import DeadLetterStore
    from core.clock import SystemClock
    from core.errors import SetupError
    from schemas.registry import ConfluentRegistry

    settings = operator_settings()
    selection = _selection(settings, [name])
    with DeadLetterStore(settings, SystemClock()) as store:
        found = [each for block in store.dead_letters(selection) for each in block]
    if not found:
        raise SetupError(f"there is no dead letter {name}: see `clickstream dlq list --state all`")
    with ConfluentRegistry.from_settings(settings) as registry:
        inspection = report.Inspector(settings, registry).inspect(found[0])
    if as_json:
        typer.echo(json.dumps(report.dead_letter_as_dict(found[0], inspection)))
        return
    shown = report.DUMP_BYTES if most_bytes is None else most_bytes
    for line in report.dead_letter_lines(found[0], inspection, shown):
        typer.echo(line)


@app.command("republish")
def republish(
    names: Names = None,
    reason: Reasons = None,
    topic: TopicNames = None,
    since: Since = None,
    state: StateName = None,
    everything: All = False,
    value_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Replace the value with these bytes."),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Replace the key.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back into their topic, on the partition of their key.

    Doing it twice changes nothing. A dead letter that fails again is pending again, with one more
    attempt. Exit status 1 when some cannot be republished as they are.
    """
    from clickstream.local.target_settings import settings_to_change
    from clickstream.operations.dead_letters import report
    from clickstream.operations.dead_letters import republish as republishing
    from core.clock import SystemClock
    from core.errors import SetupError

    _need_a_filter(names, reason, topic, since, everything=everything)
    value = value_file.read_bytes() if value_file else None
    if (value is not None or key is not None) and len(names or ()) != 1:
        raise SetupError("--value-file and --key are for one dead letter: give its name")
    settings = settings_to_change()
    selection = _selection(settings, names, reason, topic, since, state)
    if dry_run:
        result = report.preview(settings, SystemClock(), selection)
    else:
        result = republishing.republish(settings, SystemClock(), selection, key=key, value=value)
    if as_json:
        typer.echo(json.dumps(report.republished_as_dict(result, dry_run=dry_run)))
    else:
        for line in report.republished_lines(result, dry_run=dry_run):
            typer.echo(line)
    raise typer.Exit(1 if result.skipped else 0)


@app.command("purge")
def purge(
    names: Names = None,
    reason: Reasons = None,
    topic: TopicNames = None,
    since: Since = None,
    state: StateName = None,
    everything: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters from ClickHouse. Their topic keeps its copies until its retention."""
    from clickstream.local.target_settings import settings_to_change
    from clickstream.operations.dead_letters.store import DeadLetterStore
    from core.clock import SystemClock

    _need_a_filter(names, reason, topic, since, everything=everything)
    settings = settings_to_change()
    with DeadLetterStore(settings, SystemClock()) as store:
        selection = _selection(settings, names, reason, topic, since, state)
        summaries = store.summaries(selection)
        if not dry_run and summaries:
            if not yes:
                typer.confirm(f"delete {len(summaries):,} dead letters?", abort=True, err=True)
            store.purge(summaries)
    if as_json:
        done = "would_purge" if dry_run else "purged"
        typer.echo(json.dumps({done: [str(summary.id) for summary in summaries]}))
        return
    typer.echo(f"{'would purge' if dry_run else 'purged'} {len(summaries):,} dead letters")
    if summaries and not dry_run:
        days = settings.topics.retention_days
        typer.echo(f"{settings.topics.prefix}dead-letters keeps its copies, {days:g} days at most")


def _selection(
    settings: Settings,
    names: list[str] | None,
    reasons: list[str] | None = None,
    topics: list[str] | None = None,
    since: str | None = None,
    state: str | None = None,
    limit: int = 0,
) -> Selection:
    from clickstream.operations.dead_letters.dead_letter import select

    prefix = settings.topics.prefix
    return select(prefix, names or (), reasons or (), topics or (), since, state, limit)


def _need_a_filter(*filters: object, everything: bool) -> None:
    from core.errors import SetupError

    if not everything and not any(filters):
        raise SetupError("select dead letters by NAME, --reason, --topic or --since, or give --all")
