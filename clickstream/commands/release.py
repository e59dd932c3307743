"""`clickstream release`: named data sets that never change."""

from __future__ import annotations

import json
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickstream.commands.options import AsJson, SplitBy
from clickstream.commands.release_text import description, remarks, summary

if TYPE_CHECKING:
    from collections.abc import Collection

    from api.releases.service import Release, ReleaseService

app = typer.Typer(no_args_is_help=True, help="Make, list, show, get, verify or retire releases.")

Name = Annotated[str, typer.Argument(help="Name of the release.")]


@app.command()
def create(
    name: Name,
    start: Annotated[
        str, typer.Option("--from", help="Sessions created at this time or later.")
    ] = "",
    end: Annotated[str, typer.Option("--to", help="Sessions created before this time.")] = "",
    query: Annotated[str | None, typer.Option(help="Only searches for exactly this text.")] = None,
    query_prefix: Annotated[str | None, typer.Option(help="Only texts that begin so.")] = None,
    query_regex: Annotated[str | None, typer.Option(help="Only texts that have this.")] = None,
    sort_field: Annotated[str | None, typer.Option(help="Only lists sorted by this.")] = None,
    dimension: Annotated[
        list[str] | None,
        typer.Option(help="Only searches with this: search_meta.device=phone. Repeat for more."),
    ] = None,
    training: Annotated[
        bool, typer.Option("--training", help="Add the long table of lists.")
    ] = False,
    judgments: Annotated[
        bool, typer.Option("--judgments", help="Add judgments and propensities.")
    ] = False,
    event_type: Annotated[
        str, typer.Option(help="The type of event that counts as a click.")
    ] = "click",
    features: Annotated[
        str, typer.Option(help="Of the long table: rank, or paths such as meta.price.")
    ] = "",
    split_by: Annotated[
        SplitBy, typer.Option(help="Of the long table: what is kept together.")
    ] = SplitBy.TIME,
    like: Annotated[
        str | None,
        typer.Option(help="As this release: its range, filters, files and watermark."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Freeze what is stored now, without sessions that are marked irrelevant, under a name."""
    from api.releases.parameters import NewRelease, order_of

    with closing(_service()) as service:
        watermark = None
        asked = NewRelease.model_validate(
            {
                "name": name,
                "from": start,
                "to": end,
                "query": query,
                "query_prefix": query_prefix,
                "query_regex": query_regex,
                "sort_field": sort_field,
                "dimensions": dict(_pair(each) for each in dimension or []),
                "training": training,
                "judgments": judgments,
                "event_type": event_type,
                "features": [each for each in features.split(",") if each],
                "split_by": split_by.value,
            }
        )
        order = order_of(asked, service.settings.dimensions)
        if like is not None:
            older = service.release(like).manifest
            order, watermark = older.order, lambda: older.watermark
        log = partial(typer.echo, err=True)
        release = service.create(name, order, "command line", watermark=watermark, log=log)
    _print(release, as_json)


@app.command("list")
def list_releases(as_json: AsJson = False) -> None:
    """List all releases."""
    with closing(_service()) as service:
        found = [service.release(name) for name in service.names()]
    if as_json:
        typer.echo(json.dumps([release.as_dict() for release in found]))
        return
    for release in found:
        typer.echo(summary(release))


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show what a release is made of, and what has become of it."""
    with closing(_service()) as service:
        _print(service.release(name), as_json)


@app.command()
def get(
    name: Name,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write to; made if need be.")
    ],
) -> None:
    """Download a release, and check every file."""
    from api.releases.download import download

    with closing(_service()) as service:
        written, missing = download(service, name, output)
    for file in missing:
        typer.echo(f"{file} is superseded: it is not there any more", err=True)
    typer.echo(f"{output}: {written:,} {'file' if written == 1 else 'files'}")
    if missing:
        raise typer.Exit(1)


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="Name of the release.")] = "",
    folder: Annotated[
        Path | None, typer.Option(help="Instead: a folder to which it was downloaded.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare every byte of a release with its manifest. Exit status 1 when anything is wrong.

    Files that an erasure or a mark took away are told, and are not wrong.
    """
    from api.releases.verify import verify as verify_release
    from api.releases.verify import verify_folder

    if bool(name) == (folder is not None):
        raise typer.BadParameter("name a release, or a folder with --folder")
    gone: Collection[str] = ()
    if folder is not None:
        found = verify_folder(folder)
    else:
        with closing(_service()) as service:
            release = service.release(name)
            found = verify_release(service.storage, release)
            gone = release.superseded
    if as_json:
        typer.echo(json.dumps([{"file": each.file, "problem": each.problem} for each in found]))
    else:
        for each in found:
            typer.echo(f"{each.file}: {each.problem}")
        for file in sorted(gone):
            typer.echo(f"{file}: is deleted, because a session in it was erased or marked since")
        if not found:
            typer.echo("every file that is there is as it was made")
    if found:
        raise typer.Exit(1)


@app.command()
def retire(name: Name, as_json: AsJson = False) -> None:
    """Delete the files of a release. Its manifest and its name stay."""
    with closing(_service()) as service:
        _print(service.retire(name), as_json)


def _service() -> ReleaseService:
    from api.releases.service import ReleaseService
    from clickstream import __version__
    from clickstream.local.target_settings import operator_settings
    from core.clock import SystemClock

    return ReleaseService(operator_settings(), SystemClock(), __version__)


def _pair(text: str) -> tuple[str, str]:
    path, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not path=value", param_hint="--dimension")
    return path, value


def _print(release: Release, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(release.as_dict()))
        return
    for line in (summary(release), *description(release)):
        typer.echo(line)
    for remark in remarks(release):
        typer.echo(remark, err=True)
