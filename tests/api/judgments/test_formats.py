"""Files that are written while they are read: batches end anywhere."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence

import pyarrow.parquet as pq
import pytest
from msgspec.structs import asdict

from api.judgments import formats
from api.judgments.examples import JUDGMENTS
from api.judgments.formats import WRITERS, JudgmentFormat, document_id, query_id
from api.judgments.responses import Judgment

PAIRS = [("b", "1"), ("b", "2"), ("c\td\n", "a b"), ("e", "4"), ("e", "5"), ("e", "6")]
ROWS = [
    Judgment(**{**JUDGMENTS["judgments"][0], "search_query": query, "object_id": object_id})
    for query, object_id in PAIRS
]


def written(format: JudgmentFormat, *batches: Sequence[Judgment]) -> bytes:
    async def some() -> AsyncIterator[Sequence[Judgment]]:
        for batch in batches:
            yield batch

    async def collect() -> bytes:
        return b"".join([part async for part in WRITERS[format](some())])

    return asyncio.run(collect())


@pytest.mark.parametrize("format", WRITERS)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_where_batches_end_changes_nothing(format: JudgmentFormat, size: int) -> None:
    batches = [ROWS[start : start + size] for start in range(0, len(ROWS), size)]
    assert written(format, *batches, []) == written(format, ROWS)


def test_every_format_has_a_file_without_judgments() -> None:
    assert written(JudgmentFormat.QRELS) == b""
    assert json.loads(written(JudgmentFormat.RATINGS_JSON)) == {"judgmentRatings": []}
    assert written(JudgmentFormat.RATINGS_CSV) == b"query,docid,rating\n"
    assert pq.read_table(io.BytesIO(written(JudgmentFormat.PARQUET))).num_rows == 0


def test_parquet_is_taken_away_row_group_by_row_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_ROW_GROUP", 2)
    file = io.BytesIO(written(JudgmentFormat.PARQUET, *([row] for row in ROWS)))
    assert pq.read_metadata(file).num_row_groups == 4  # the last one is empty
    assert pq.read_table(file).to_pylist() == [asdict(row) for row in ROWS]


def test_ids_of_trec_have_no_blanks() -> None:
    lines = written(JudgmentFormat.QRELS, ROWS).decode().splitlines()
    assert lines[2] == f"{query_id(PAIRS[2][0])} 0 a%20b 3"
    assert written(JudgmentFormat.QUERIES, ROWS).decode().splitlines()[1].endswith("\tc d")
    assert document_id("ümlaut/1%") == "ümlaut/1%25"
    assert document_id("a\u00a0b\x00") == "a%C2%A0b%00"
    assert len({query_id(query) for query, _ in PAIRS}) == 3


def test_a_pair_without_a_grade_is_in_no_file_of_grades() -> None:
    ungraded = Judgment(**{**asdict(ROWS[0]), "grade": None})
    for format in (JudgmentFormat.QRELS, JudgmentFormat.QUERIES, JudgmentFormat.RATINGS_CSV):
        assert written(format, [ungraded]) == written(format)
    assert json.loads(written(JudgmentFormat.NDJSON, [ungraded]))["grade"] is None
