"""Lists as the files that trainers read. Everything but Parquet, which ClickHouse writes, is
written here list by list; docs/training.md names the reader of each, and tests read them with it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from api.judgments.formats import document_id
from api.training.question import MOST_WEIGHT, Lists
from api.training.sql import ListRow

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TrainingFormat(StrEnum):
    """Of a file."""

    PARQUET = "parquet"
    CSV = "csv"
    LIBSVM = "libsvm"
    LIGHTGBM = "lightgbm"
    LIGHTGBM_QUERY = "lightgbm_query"
    LIGHTGBM_POSITION = "lightgbm_position"
    QRELS = "qrels"
    RUN = "run"
    TRIPLES = "triples"
    CONVERSATIONS = "conversations"
    CLAX = "clax"
    CLAX_PAIRS = "clax_pairs"
    ACCOUNT = "account"


WRITTEN_BY_CLICKHOUSE: Final = (
    TrainingFormat.PARQUET,
    TrainingFormat.CLAX,
    TrainingFormat.CLAX_PAIRS,
)
"""As Parquet."""

_PLAIN: Final = "text/plain; charset=utf-8"
MEDIA_TYPES: Final = dict.fromkeys(TrainingFormat, _PLAIN) | {
    **dict.fromkeys(WRITTEN_BY_CLICKHOUSE, "application/vnd.apache.parquet"),
    TrainingFormat.CSV: "text/csv; charset=utf-8",
    TrainingFormat.TRIPLES: "application/x-ndjson",
    TrainingFormat.CONVERSATIONS: "application/x-ndjson",
    TrainingFormat.ACCOUNT: "application/json",
}
WRITTEN_HERE: Final = tuple(
    each for each in TrainingFormat if each not in (*WRITTEN_BY_CLICKHOUSE, TrainingFormat.ACCOUNT)
)
NEED_FEATURES: Final = {TrainingFormat.LIBSVM, TrainingFormat.LIGHTGBM}
COLUMNS: Final = (
    "qid", "position", "label", "click", "weight", "query_id", "doc_id", "propensity",
    "session_id", "search_query", "created_at", "user_id", "variant", "split",
)  # fmt: skip
"""Of the long table, before its features."""

Propensities = Sequence[float | None]
Write = Callable[[int, ListRow], Iterable[str]]
"""The lines of one list, whose number counts from 1."""


def writer(format: TrainingFormat, propensities: Propensities) -> Write:
    """Of a format that is written here. `propensities`: of each position, None where unknown."""
    writers: dict[TrainingFormat, Write] = {
        TrainingFormat.CSV: lambda qid, row: _csv_rows(qid, row, propensities),
        TrainingFormat.LIBSVM: _libsvm,
        TrainingFormat.LIGHTGBM: _lightgbm,
        TrainingFormat.LIGHTGBM_QUERY: lambda _, row: (str(len(row.object_ids)),),
        TrainingFormat.LIGHTGBM_POSITION: lambda _, row: map(
            str, range(1, len(row.object_ids) + 1)
        ),
        TrainingFormat.QRELS: _qrels,
        TrainingFormat.RUN: _run,
        TrainingFormat.TRIPLES: _triples,
        TrainingFormat.CONVERSATIONS: _conversations,
    }
    return writers[format]


async def written(
    format: TrainingFormat,
    lists: Lists,
    propensities: Propensities,
    batches: AsyncIterator[Sequence[ListRow]],
) -> AsyncGenerator[bytes, None]:
    """The file, some lists at a time."""
    write = writer(format, propensities)
    if format is TrainingFormat.CSV:
        names = [*COLUMNS, *(feature.column for feature in lists.features)]
        yield (",".join(names) + "\n").encode()
    qid = 0
    async for batch in batches:
        lines: list[str] = []
        for row in batch:
            qid += 1
            lines += write(qid, row)
        if lines:
            yield ("\n".join(lines) + "\n").encode()


def _labels(row: ListRow) -> list[int]:
    clicked = set(row.clicked)
    return [int(position in clicked) for position in range(1, len(row.object_ids) + 1)]


def _rows(row: ListRow, first: int) -> Iterable[tuple[int, str]]:
    """Label and features of each result; the features are numbered from `first`. Every feature is
    in every row: readers infer how many there are from the file."""
    labels = _labels(row)
    for place, label in enumerate(labels):
        values = (
            f"{number}:{'nan' if values[place] is None else repr(values[place])}"
            for number, values in enumerate(row.features, first)
        )
        yield label, " ".join(values)


def _lightgbm(_: int, row: ListRow) -> Iterable[str]:
    """It numbers features from 0: from 1, it would add an empty one."""
    return (f"{label} {values}" for label, values in _rows(row, 0))


def _libsvm(qid: int, row: ListRow) -> Iterable[str]:
    for (label, values), object_id in zip(_rows(row, 1), row.object_ids, strict=True):
        yield f"{label} qid:{qid} {values} # {document_id(object_id)}"


def _qrels(_: int, row: ListRow) -> Iterable[str]:
    """Each list is a query of its own. An object that was shown twice is there once: it was
    clicked when either was."""
    clicked: dict[str, int] = {}
    for object_id, label in zip(row.object_ids, _labels(row), strict=True):
        clicked[object_id] = max(label, clicked.get(object_id, 0))
    for object_id, label in clicked.items():
        yield f"{document_id(row.session_id)} 0 {document_id(object_id)} {label}"


def _run(_: int, row: ListRow) -> Iterable[str]:
    seen: set[str] = set()
    for position, object_id in enumerate(row.object_ids, start=1):
        if object_id not in seen:
            seen.add(object_id)
            ids = f"{document_id(row.session_id)} Q0 {document_id(object_id)}"
            yield f"{ids} {len(seen)} {-position} shown"


def _text(row: ListRow, place: int) -> str:
    """The title of a result where it has one, else its id."""
    return (row.titles[place] if row.titles else "") or row.object_ids[place]


def _triples(_: int, row: ListRow) -> Iterable[str]:
    """Each clicked result, and each result above it that was passed over (skip above)."""
    labels = _labels(row)
    for positive in (position - 1 for position in row.clicked if position <= len(labels)):
        for negative in range(positive):
            is_copy = row.object_ids[negative] == row.object_ids[positive]
            if not (labels[negative] or is_copy):
                yield _json(
                    {
                        "anchor": row.search_query,
                        "positive": _text(row, positive),
                        "negative": _text(row, negative),
                    }
                )


def _conversations(_: int, row: ListRow) -> Iterable[str]:
    """What was asked, what was shown, and what was clicked."""
    shown = "\n".join(
        f"{position}. {_text(row, position - 1)}" for position in range(1, len(row.object_ids) + 1)
    )
    clicked = ", ".join(str(position) for position in row.clicked)
    yield _json(
        {
            "session_id": row.session_id,
            "messages": [
                {"role": "user", "content": row.search_query},
                {"role": "assistant", "content": shown},
                {"role": "user", "content": f"clicked {clicked}" if clicked else "clicked nothing"},
            ],
        }
    )


def _csv_rows(qid: int, row: ListRow, propensities: Propensities) -> Iterable[str]:
    created = (_EPOCH + timedelta(milliseconds=row.created_at_ms)).isoformat(
        sep=" ", timespec="milliseconds"
    )[:23]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    for place, label in enumerate(_labels(row)):
        known = propensities[place] if place < len(propensities) else None
        weight = min(MOST_WEIGHT, 1 / known) if label and known else 1
        shown = [row.search_query, row.object_ids[place], known]
        searched = [row.session_id, row.search_query, created, row.user_id, row.variant, row.split]
        features = [values[place] for values in row.features]
        lines.writerow([qid, place + 1, label, label, weight, *shown, *searched, *features])
    return (text.getvalue().removesuffix("\n"),)


def _json(line: object) -> str:
    return msgspec.json.encode(line).decode()
