"""GET /export/… as Parquet and Arrow: the same sessions as lines of JSON, or visibly not all."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from api.export.parameters import format_of_header
from api.metrics.question import Filters
from api.selection import Relevance, Selection
from api.tables import ARROW, PARQUET, TableFormat, require_trailer
from clickstream.commands.export_rows import RowOptions, export_rows
from core.errors import SinkUnavailable
from core.settings import Settings
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World, store

if TYPE_CHECKING:
    from starlette.testclient import TestClient

FIRST = Search(
    "a", "ünï", (("x", 1.5, '{"k": 1}'), ("y", None, None)), search_meta='{"m": 1.0}', user_id="ann"
)
SECOND = Search("b", results=(), created_at=NOON_MS + DAY_MS)
STORED = World(
    (FIRST, SECOND, Search("marked")),
    (Event(FIRST, "1", "y", meta='{"t": 2}'), Event(FIRST, "2", "elsewhere")),
    (Mark("marked"),),
)


def read(content: bytes, format: str) -> list[dict[str, Any]]:
    if format == "parquet":
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
        return rows
    with pa.ipc.open_stream(content) as stream:
        return list(stream.read_all().to_pylist())


def millis(moment: Any) -> int:
    return round(moment.timestamp() * 1000)


@pytest.mark.engines
@pytest.mark.parametrize(("format", "table"), [("parquet", PARQUET), ("arrow", ARROW)])
def test_sessions_are_those_of_the_lines(
    read_settings: Settings, client: TestClient, format: str, table: TableFormat
) -> None:
    store(read_settings, STORED)
    answer = client.get("/export/sessions", params={"format": format})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == table.media_type
    lines = client.get("/export/sessions", params={"with_events": "false"}).text.splitlines()
    expected = {line["session_id"]: line for line in map(json.loads, lines)}
    rows = read(answer.content, format)
    assert {row["session_id"] for row in rows} == expected.keys() == {"a", "b"}
    for row in rows:
        line = expected[row["session_id"]]
        assert millis(row.pop("created_at")) == line.pop("created_at")
        for name in ("search_meta", "payload_filter", "sort_by"):
            row[name] = None if row[name] is None else json.loads(row[name])
        for result in row["search_results"]:
            result["meta"] = None if result["meta"] is None else json.loads(result["meta"])
        assert row == line


@pytest.mark.engines
def test_events_are_a_table_of_their_own(read_settings: Settings, client: TestClient) -> None:
    store(read_settings, STORED)
    answer = client.get("/export/events")
    rows = sorted(read(answer.content, "parquet"), key=lambda row: row["event_id"])
    assert [(row["event_id"], row["position"], row["meta"]) for row in rows] == [
        ("1", 2, '{"t": 2}'),
        ("2", None, None),
    ]
    assert {millis(row["session_created_at"]) for row in rows} == {NOON_MS}
    assert {row["is_irrelevant"] for row in rows} == {False}


@pytest.mark.engines
@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({"relevance": "only"}, {"marked"}),
        ({"relevance": "include"}, {"a", "b", "marked"}),
        ({"from": str(NOON_MS + 1)}, {"b"}),
        ({"to": str(NOON_MS)}, set()),
    ],
)
def test_tables_are_narrowed_as_lines_are(
    read_settings: Settings, client: TestClient, params: dict[str, str], ids: set[str]
) -> None:
    store(read_settings, STORED)
    answer = client.get("/export/sessions", params={"format": "parquet", **params})
    assert {row["session_id"] for row in read(answer.content, "parquet")} == ids


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "ndjson"),
        ("*/*", "ndjson"),
        ("Application/VND.Apache.Parquet", "parquet"),
        ("application/x-ndjson, application/vnd.apache.parquet;q=0", "ndjson"),
        ("application/vnd.apache.parquet; q=0.000, application/vnd.apache.arrow.stream", "arrow"),
        ("text/html;q=0, application/vnd.apache.parquet;q=0.001", "parquet"),
    ],
)
def test_a_media_type_has_no_case_and_the_weight_0_refuses_it(accept: str, expected: str) -> None:
    assert format_of_header(accept) == expected


@pytest.mark.engines
def test_accept_header_chooses_and_the_parameter_goes_first(
    read_settings: Settings, client: TestClient
) -> None:
    store(read_settings, STORED)
    accept = {"Accept": f"text/html, {PARQUET.media_type};q=0.9"}
    assert client.get("/export/sessions", headers=accept).content[-4:] == b"PAR1"
    chosen = client.get("/export/sessions", params={"format": "ndjson"}, headers=accept)
    assert chosen.headers["content-type"] == "application/x-ndjson"


@pytest.mark.parametrize(
    ("path", "params", "place"),
    [
        ("sessions", {"format": "parquet", "with_events": "true"}, "query.with_events"),
        ("sessions", {"format": "xlsx"}, "query.format"),
        ("events", {"format": "ndjson"}, "query.format"),
    ],
)
@pytest.mark.engines
def test_what_cannot_be_is_refused(
    client: TestClient, path: str, params: dict[str, str], place: str
) -> None:
    answer = client.get(f"/export/{path}", params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == place


async def chunks_of(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@given(content=st.binary(), size=st.integers(1, 20), format=st.sampled_from([PARQUET, ARROW]))
def test_whole_file_comes_through_as_it_is(content: bytes, size: int, format: TableFormat) -> None:
    async def passed() -> bytes:
        file = chunks_of(content + format.trailer, size)
        return b"".join([chunk async for chunk in require_trailer(file, format)])

    assert asyncio.run(passed()) == content + format.trailer


@given(size=st.integers(1, 20))
@pytest.mark.parametrize("rest", [b"", b"PAR", b"PAR1 Code: 241. DB::Exception: memory"])
def test_file_that_breaks_off_does_not_end_like_a_whole_one(rest: bytes, size: int) -> None:
    async def passed() -> None:
        async for _ in require_trailer(chunks_of(b"PAR1 some row groups " + rest, size), PARQUET):
            pass

    with pytest.raises(SinkUnavailable):
        asyncio.run(passed())


@pytest.mark.engines
@pytest.mark.parametrize("format", ["parquet", "arrow", "ndjson"])
def test_command_writes_what_the_route_answers(
    read_settings: Settings, client: TestClient, tmp_path: Path, format: str
) -> None:
    store(read_settings, STORED)
    chosen = Selection(None, None, Relevance.EXCLUDE)
    file = tmp_path / "sessions"
    export_rows(read_settings, chosen, Filters(), RowOptions("sessions", format), file)
    if format == "ndjson":
        assert file.read_text("utf-8") == client.get("/export/sessions").text
    else:
        rows = read(file.read_bytes(), format)
        assert {row["session_id"] for row in rows} == {"a", "b"}


def test_command_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    nowhere = Settings(_env_file=None, clickhouse_url=SecretStr("http://127.0.0.1:1/clickstream"))
    file = tmp_path / "events"
    file.write_text("old")
    chosen = Selection(None, None, Relevance.EXCLUDE)
    with pytest.raises(SinkUnavailable):
        export_rows(nowhere, chosen, Filters(), RowOptions("events", "parquet"), file)
    assert [path.name for path in tmp_path.iterdir()] == ["events"]
    assert file.read_text() == "old"
