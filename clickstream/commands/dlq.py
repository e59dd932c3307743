"""`clickstream dlq`: dead letters listed, looked at, replayed, purged."""

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
    help="Dead letters: what could not be processed. docs/dead-letters.md says what to do.",
    no_args_is_help=True,
)

Names: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Letters by name, as `list` shows: events/3@1041"),
]
Reasons: TypeAlias = Annotated[
    list[str] | None, typer.Option("--reason", help="Only these, e.g. wrong_key; repeatable.")
]
TopicNames: TypeAlias = Annotated[
    list[str] | None, typer.Option("--topic", help="Only from these: sessions, events, marks.")
]
Since: TypeAlias = Annotated[
    str | None, typer.Option(help="Failed since then: 15m, 2h, 7d, or a moment in RFC 3339.")
]
StateName: TypeAlias = Annotated[
    str | None,
    typer.Option("--state", help="open (waits for somebody; the default), replayed, or all."),
]
All: TypeAlias = Annotated[bool, typer.Option("--all", help="Yes, without any other filter.")]


@app.command("list")
def list_letters(
    reason: Reasons = None,
    topic: TopicNames = None,
    since: Since = None,
    state: StateName = None,
    limit: Annotated[int, typer.Option(min=1, help="Show so many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Letters, the newest first, and how many there are of each reason."""
    from rich.console import Console

    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.dead_letters import report
    from clickstream.operations.dead_letters.store import LetterStore
    from core.clock import SystemClock

    settings = operator_settings()
    selection = _selection(settings, None, reason, topic, since, state, limit)
    with LetterStore(settings, SystemClock()) as store:
        counts, entries = store.counts(selection), store.entries(selection)
    if as_json:
        letters = [report.entry_as_dict(entry) for entry in entries]
        typer.echo(json.dumps({"counts": dict(counts), "letters": letters}))
    else:
        report.print_list(Console(), entries, counts)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="As `list` shows it: events/3@1041")],
    most_bytes: Annotated[
        int | None, typer.Option("--bytes", min=0, help="Dump so much of the value.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """One letter: its headers and bytes, what went wrong, and whether a replay would help."""
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.dead_letters import report
    from clickstream.operations.dead_letters.examine import Looker
    from clickstream.operations.dead_letters.store import LetterStore
    from core.clock import SystemClock
    from core.errors import SetupError
    from schemas.registry import ConfluentRegistry

    settings = operator_settings()
    selection = _selection(settings, [name])
    with LetterStore(settings, SystemClock()) as store:
        found = [letter for block in store.letters(selection) for letter in block]
    if not found:
        raise SetupError(f"there is no dead letter {name}: see `clickstream dlq list --state all`")
    with ConfluentRegistry.from_settings(settings) as registry:
        sight = Looker(settings, registry).look(found[0])
    if as_json:
        typer.echo(json.dumps(report.letter_as_dict(found[0], sight)))
        return
    for line in report.lines_of(
        found[0], sight, report.DUMP_BYTES if most_bytes is None else most_bytes
    ):
        typer.echo(line)


@app.command("replay")
def replay(
    names: Names = None,
    reason: Reasons = None,
    topic: TopicNames = None,
    since: Since = None,
    state: StateName = None,
    everything: All = False,
    value_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Put these bytes in place of its value."),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Put this in place of its key.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Put letters back into their topic, as they were posted, on the partition of their key.

    Doing it twice changes nothing. A letter that fails again is open again, with one attempt more.
    Exit status 1 when some cannot be replayed as they are.
    """
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.dead_letters import report, run
    from core.clock import SystemClock
    from core.errors import SetupError

    _need_a_filter(names, reason, topic, since, everything=everything)
    value = value_file.read_bytes() if value_file else None
    if (value is not None or key is not None) and len(names or ()) != 1:
        raise SetupError("--value-file and --key are for one letter: name it")
    settings = operator_settings()
    selection = _selection(settings, names, reason, topic, since, state)
    if dry_run:
        done = run.preview(settings, SystemClock(), selection)
    else:
        done = run.replay(settings, SystemClock(), selection, key=key, value=value)
    if as_json:
        typer.echo(json.dumps(report.replayed_as_dict(done, dry_run=dry_run)))
    else:
        for line in report.lines_of_replay(done, dry_run=dry_run):
            typer.echo(line)
    raise typer.Exit(1 if done.kept else 0)


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
    """Delete letters from ClickHouse. The dead-letter topic keeps its copies for its retention."""
    from clickstream.local.target_settings import operator_settings
    from clickstream.operations.dead_letters.store import LetterStore
    from core.clock import SystemClock

    _need_a_filter(names, reason, topic, since, everything=everything)
    settings = operator_settings()
    with LetterStore(settings, SystemClock()) as store:
        selection = _selection(settings, names, reason, topic, since, state)
        entries = store.entries(selection)
        if not dry_run and entries:
            if not yes:
                typer.confirm(f"delete {len(entries):,} dead letters?", abort=True, err=True)
            store.purge(entries)
    if as_json:
        done = "would_purge" if dry_run else "purged"
        typer.echo(json.dumps({done: [str(entry.place) for entry in entries]}))
        return
    typer.echo(f"{'would purge' if dry_run else 'purged'} {len(entries):,} dead letters")
    if entries and not dry_run:
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
    from clickstream.operations.dead_letters.select import select

    prefix = settings.topics.prefix
    return select(prefix, names or (), reasons or (), topics or (), since, state, limit)


def _need_a_filter(*filters: object, everything: bool) -> None:
    from core.errors import SetupError

    if not everything and not any(filters):
        raise SetupError("say which: names, --reason, --topic or --since; or --all")
