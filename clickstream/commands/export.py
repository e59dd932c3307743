"""`clickstream export`: sessions, events or training files, straight from ClickHouse."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickstream.commands.export_training import FORMATS, TrainingOptions, export_training
from clickstream.commands.options import check_names_a_file

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from api.selection import Selection
    from api.store import Store
    from core.settings import Settings


class Dataset(StrEnum):
    """What the file holds."""

    SESSIONS = "sessions"
    EVENTS = "events"
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


class Split(StrEnum):
    """Which part of the lists."""

    ALL = "all"
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class SplitBy(StrEnum):
    """What is kept together."""

    TIME = "time"
    USER = "user"
    QUERY = "query"


_ENDINGS = {
    ".parquet": FileFormat.PARQUET,
    ".arrow": FileFormat.ARROW,
    ".feather": FileFormat.ARROW,
    ".ndjson": FileFormat.NDJSON,
    ".jsonl": FileFormat.NDJSON,
}
_OTHER_ENDINGS = {".csv", ".tsv", ".json", ".xlsx", ".xls", ".avro", ".orc", ".gz", ".zip"}


def export(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file; replaced once the export is whole.")
    ],
    dataset: Annotated[Dataset, typer.Argument(help="What to write.")] = Dataset.SESSIONS,
    format: Annotated[
        FileFormat,
        typer.Option(
            help="sessions: parquet, arrow or ndjson, which contains their events; events: parquet "
            "or arrow; training: parquet, csv, libsvm, lightgbm, qrels, run, triples or "
            "conversations."
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
    """Write sessions, their events, or training files.

    Sessions that are marked irrelevant are left out, unless --relevance says otherwise.

    The columns are those of GET /export/sessions, /export/events and /export/training:
    docs/metrics.md, docs/training.md.
    """
    from api.selection import Relevance, parse_selection
    from clickstream.local.target_settings import operator_settings

    _check_format(dataset, format)
    if relevance not in list(Relevance):
        raise typer.BadParameter(f"{relevance!r} is not one of exclude, include, only")
    check_names_a_file(output)
    if dataset is not Dataset.TRAINING:
        _check_ending(output, format)
    selected = parse_selection(start, end, Relevance(relevance))
    if dataset is Dataset.TRAINING:
        options = TrainingOptions(
            format.value, event_type, features, title, split.value, split_by.value, shares
        )
        for path in export_training(operator_settings(), selected, options, output):
            print(f"{path}: {path.stat().st_size:,} bytes")
        return
    written = asyncio.run(_export(operator_settings(), selected, dataset, format, output))
    print(f"{output}: {written:,} bytes")


def _check_format(dataset: Dataset, format: FileFormat) -> None:
    if dataset is Dataset.EVENTS and format is FileFormat.NDJSON:
        raise typer.BadParameter("in ndjson, events are part of their sessions: export sessions")
    tables = ("parquet", "arrow", "ndjson")
    known = FORMATS if dataset is Dataset.TRAINING else tables
    if format.value not in known:
        raise typer.BadParameter(f"{dataset} has no {format}: one of {', '.join(known)}")


def _check_ending(output: Path, format: FileFormat) -> None:
    """A file that is named as something else than it is would be opened as that."""
    meant = _ENDINGS.get(output.suffix.lower())
    if meant is None and output.suffix.lower() in _OTHER_ENDINGS:
        raise typer.BadParameter(
            f"{output.suffix} is not written: name the file .parquet, .arrow or .ndjson"
        )
    if meant is not None and meant is not format:
        raise typer.BadParameter(f"{output.name} would hold {format}: add --format {meant}")


async def _export(
    settings: Settings, selected: Selection, dataset: Dataset, format: FileFormat, output: Path
) -> int:
    """How many bytes were written. An export that fails leaves the old file as it was."""
    from api.store import ClickHouseStore

    store = ClickHouseStore(settings)
    partial = output.with_name(f"{output.name}.part")
    try:
        with partial.open("wb") as file:
            async for chunk in _chunks(settings, store, selected, dataset, format):
                file.write(chunk)
            written = file.tell()
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
        await store.close()
    return written


def _chunks(
    settings: Settings, store: Store, selected: Selection, dataset: Dataset, format: FileFormat
) -> AsyncGenerator[bytes, None]:
    from api.lines import export_lines
    from api.queries import EXPORT_EVENTS_TABLE, EXPORT_SESSIONS_TABLE
    from api.tables import ARROW, PARQUET, stream_table

    one_at_a_time = asyncio.Semaphore(1)
    if format is FileFormat.NDJSON:
        seconds = settings.reads.query_seconds
        return export_lines(store, selected, one_at_a_time, with_events=True, seconds=seconds)
    query = EXPORT_SESSIONS_TABLE if dataset is Dataset.SESSIONS else EXPORT_EVENTS_TABLE
    return stream_table(
        store, query, selected, ARROW if format is FileFormat.ARROW else PARQUET, one_at_a_time
    )
