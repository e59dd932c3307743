"""`clickstream export`: sessions, events or training files, straight from ClickHouse."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickstream.commands.export_rows import RowOptions, export_rows
from clickstream.commands.export_training import FORMATS, TrainingOptions, export_training
from clickstream.commands.options import SplitBy, check_names_a_file

if TYPE_CHECKING:
    from api.metrics.question import Filters
    from core.settings import Settings


class Dataset(StrEnum):
    """What the file holds."""

    SESSIONS = "sessions"
    EVENTS = "events"
    REMOVALS = "removals"
    TRAINING = "training"


class FileFormat(StrEnum):
    """How it is written."""

    PARQUET = "parquet"
    ARROW = "arrow"
    NDJSON = "ndjson"
    CSV = "csv"
    LIBSVM = "libsvm"
    LIGHTGBM = "lightgbm"
    QRELS = "qrels"
    RUN = "run"
    TRIPLES = "triples"
    CONVERSATIONS = "conversations"
    CLAX = "clax"


class Split(StrEnum):
    """Which part of the lists."""

    ALL = "all"
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


_ENDINGS = {
    ".parquet": FileFormat.PARQUET,
    ".arrow": FileFormat.ARROW,
    ".feather": FileFormat.ARROW,
    ".ndjson": FileFormat.NDJSON,
    ".jsonl": FileFormat.NDJSON,
    ".csv": FileFormat.CSV,
}
_OTHER_ENDINGS = {".tsv", ".json", ".xlsx", ".xls", ".avro", ".orc", ".zip", ".bz2"}
_COMPRESSED = {".gz": "gzip", ".zst": "zstd"}
_TEXTS = (FileFormat.NDJSON, FileFormat.CSV)
_FORMATS_OF = {
    Dataset.SESSIONS: ("parquet", "arrow", "csv", "ndjson"),
    Dataset.EVENTS: ("parquet", "arrow", "csv"),
    Dataset.REMOVALS: ("parquet", "arrow", "csv", "ndjson"),
    Dataset.TRAINING: FORMATS,
}


def export(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file; replaced once the export is whole.")
    ],
    dataset: Annotated[Dataset, typer.Argument(help="What to write.")] = Dataset.SESSIONS,
    format: Annotated[
        FileFormat,
        typer.Option(
            help="sessions: parquet, arrow, csv or ndjson, which contains their events; events: "
            "parquet, arrow or csv; training: parquet, csv, libsvm, lightgbm, qrels, run, triples, "
            "conversations or clax."
        ),
    ] = FileFormat.PARQUET,
    start: Annotated[
        str,
        typer.Option(
            "--from", help="Sessions created at this time or later, written as over HTTP."
        ),
    ] = "",
    end: Annotated[str, typer.Option("--to", help="Sessions created before this time.")] = "",
    relevance: Annotated[
        str, typer.Option(help="exclude, include or only: sessions marked irrelevant")
    ] = "exclude",
    user: Annotated[str, typer.Option(help="Only searches of this user.")] = "",
    query: Annotated[str, typer.Option(help="Only searches for exactly this text.")] = "",
    where: Annotated[
        list[str] | None,
        typer.Option(help="Only searches with this value: a path of CLICKSTREAM_DIMENSIONS=value."),
    ] = None,
    received_after: Annotated[
        str,
        typer.Option(
            help="Only what came, or was marked, since the export that printed this watermark; 0 "
            "is before everything."
        ),
    ] = "",
    received_until: Annotated[
        str, typer.Option(help="Only what came before this watermark, in the same order each time.")
    ] = "",
    event_type: Annotated[
        str, typer.Option(help="Of training: the type of event that counts as a click.")
    ] = "click",
    features: Annotated[
        str, typer.Option(help="Of training: rank, or paths of results' meta such as meta.price.")
    ] = "",
    title: Annotated[
        str, typer.Option(help="Of training: path of a result's text, such as meta.title.")
    ] = "",
    split: Annotated[Split, typer.Option(help="Of training: only this part.")] = Split.ALL,
    split_by: Annotated[
        SplitBy, typer.Option(help="Of training: what is kept together.")
    ] = SplitBy.TIME,
    shares: Annotated[
        str, typer.Option(help="Of training: percent for training and validation.")
    ] = "80,10",
) -> None:
    """Write sessions, their events, what was removed since, or training files.

    Sessions that are marked irrelevant are left out, unless --relevance says otherwise. Files of
    lines that are named .gz or .zst are compressed.

    The columns are those of GET /export/sessions, /export/events, /export/removals and
    /export/training: docs/metrics.md, docs/exports.md, docs/training.md.
    """
    from api.selection import Relevance, parse_selection
    from clickstream.local.target_settings import operator_settings

    if format.value not in _FORMATS_OF[dataset]:
        known = ", ".join(_FORMATS_OF[dataset])
        raise typer.BadParameter(f"{dataset} has no {format}: one of {known}")
    if relevance not in list(Relevance):
        raise typer.BadParameter(f"{relevance!r} is not one of exclude, include, only")
    check_names_a_file(output)
    selected = parse_selection(start, end, Relevance(relevance))
    settings = operator_settings()
    filters = _filters(settings, user, query, where or [])
    if dataset is Dataset.TRAINING:
        if received_after or received_until:
            raise typer.BadParameter("training files have whole lists: no watermark")
        options = TrainingOptions(
            format.value, event_type, features, title, split.value, split_by.value, shares
        )
        for path in export_training(settings, selected, filters, options, output):
            print(f"{path}: {path.stat().st_size:,} bytes")
        return
    rows = RowOptions(
        dataset.value, format.value, _compression(output, format), received_after, received_until
    )
    watermark = export_rows(settings, selected, filters, rows, output)
    print(f"{output}: {output.stat().st_size:,} bytes")
    print(f"watermark: {watermark}")


def _filters(settings: Settings, user: str, query: str, where: list[str]) -> Filters:
    from api.metrics.question import Filters
    from core.user_ids import UserIds

    declared = {}
    for each in where:
        path, equals, value = each.partition("=")
        if not equals or path not in settings.dimensions:
            known = ", ".join(settings.dimensions) or "none"
            raise typer.BadParameter(f"{each!r} is no path=value; declared paths: {known}")
        declared[path] = value
    forms = UserIds.from_settings(settings).known_forms(user) if user else None
    return Filters(query=query or None, user=forms, declared=declared)


def _compression(output: Path, format: FileFormat) -> str:
    """That which the name says. A file that is named as something else than it is would be opened
    as that."""
    ending = output.suffix.lower()
    compression = _COMPRESSED.get(ending, "none")
    if compression != "none":
        if format not in _TEXTS:
            raise typer.BadParameter(f"{format} is compressed inside: name it without {ending}")
        ending = output.with_suffix("").suffix.lower()
    meant = _ENDINGS.get(ending)
    if meant is None and ending in _OTHER_ENDINGS:
        raise typer.BadParameter(
            f"{ending} is not written: name the file .parquet, .arrow, .csv or .ndjson"
        )
    if meant is not None and meant is not format:
        raise typer.BadParameter(f"{output.name} would hold {format}: add --format {meant}")
    return compression
