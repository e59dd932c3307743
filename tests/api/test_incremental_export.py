"""GET /export/… with received_after: what came since, what was removed, the same bytes twice."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from api import covered, lines
from api.metrics.question import Filters
from api.selection import Relevance, Selection
from api.watermark import BEGINNING, WATERMARK_HEADER
from clickstream.commands.export_rows import RowOptions, export_rows
from core.clickhouse.client import connect
from core.clickhouse.layout import Layout
from core.kafka.partitions import Partition
from schemas.cluster_sql import table_itself
from schemas.topics import Topics
from stream_processors.join import table_columns
from stream_processors.write.clickhouse import ClickHouseSink
from stream_processors.write.sink import BEFORE_ALL
from tests.api.export_copy import Copy, hash_of, read_table
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World, empty, store
from tests.clickhouse_tables import on_table, on_tables, truncate
from tests.examples import examples

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.testclient import TestClient

    from core.settings import Settings

pytestmark = pytest.mark.engines


def note(settings: Settings, sessions: int, events: int = 0, marks: int = 0) -> None:
    """As a worker does it, of partition 0."""
    topics = Topics.from_settings(settings)
    offsets = {topics.sessions: sessions, topics.events: events, topics.marks: marks}
    reached = {Partition(topic, 0): offset for topic, offset in offsets.items()}
    ClickHouseSink(settings).note_facts_progress(reached, 0)


def forget(settings: Settings) -> None:
    """No worker has noted anything, and nothing is stored."""
    empty(settings)
    truncate(settings, "facts_progress", "erased_sessions", "late_joins")


@pytest.fixture
def clean(module_settings: Settings) -> Settings:
    forget(module_settings)
    return module_settings


def test_what_came_since_is_new_sessions_late_events_and_marks(
    clean: Settings, client: TestClient
) -> None:
    a, b, c = Search("a", offset=0), Search("b", offset=1), Search("c", offset=2)
    store(clean, World((a, b, c), (Event(a, "1", offset=0),)))
    note(clean, sessions=3, events=1)
    copy = Copy(client)
    copy.pull()
    assert copy.told == ["a", "b", "c"]
    copy.pull()
    assert (copy.told, copy.removed) == ([], [])
    d = Search("d", offset=3)
    store(clean, World((d,), (Event(a, "2", offset=1),), (Mark("b", offset=0),)))
    note(clean, sessions=4, events=2, marks=1)
    copy.pull()
    assert (copy.told, copy.removed) == (["a", "d"], [hash_of("b")])
    assert [event["event_id"] for event in copy.sessions["a"]["events"]] == ["1", "2"]
    store(clean, World(marks=(Mark("b", is_irrelevant=False, offset=1),)))
    note(clean, sessions=4, events=2, marks=2)
    copy.pull()
    assert (copy.told, copy.removed) == (["b"], [])
    assert (copy.sessions, copy.events) == copy.whole()


def test_an_event_that_waited_is_new_when_its_session_comes(
    clean: Settings, client: TestClient
) -> None:
    """Its own position is an old one then."""
    note(clean, sessions=0, events=5)
    copy = Copy(client)
    copy.pull()
    a = Search("a", offset=0)
    store(clean, World((a,), (Event(a, "1", offset=3),)))
    note(clean, sessions=1, events=5)
    copy.pull()
    assert copy.told == ["a"]
    assert set(copy.events) == {("a", "1")}


def test_an_event_that_the_clean_up_joins_is_told(clean: Settings, client: TestClient) -> None:
    """Its session was stored by somebody whom the event's worker did not know of."""
    a, b = Search("a", offset=0), Search("b", offset=1, created_at=NOON_MS + DAY_MS)
    events = (Event(a, "1", offset=0), Event(a, "late", offset=1), Event(b, "1", offset=2))
    store(clean, World((a, b), events))
    names = ", ".join(table_columns.UNJOINED_COLUMNS.names)
    with connect(clean) as clickhouse:
        # One waits and is not joined, one is joined and not yet deleted.
        some = f"SELECT {names} FROM events WHERE event_id = 'late' OR session_id = 'b'"  # noqa: S608 - our own
        clickhouse.command(f"INSERT INTO unjoined_events ({names}) {some}")
    on_table(clean, "SYSTEM START MERGES {}", "events")  # a deletion is one
    on_table(clean, "DELETE FROM {} WHERE event_id = 'late'", "events")
    note(clean, sessions=2, events=3)
    copies = [Copy(client), Copy(client, {"from": str(NOON_MS)})]
    for copy in copies:
        copy.pull()
        assert set(copy.events) == {("a", "1"), ("b", "1")}
    sink = ClickHouseSink(clean)
    portion = sink.waiting_portion(BEFORE_ALL)
    assert portion is not None
    for _ in range(2):  # as after a crash
        assert sink.adopt_waiting(portion).num_rows == 2
    for copy in copies:
        copy.pull()
        assert copy.told == ["a"]
        assert [each["event_id"] for each in copy.sessions["a"]["events"]] == ["1", "late"]
        assert (copy.sessions, copy.events) == copy.whole()
    with connect(clean) as clickhouse:
        assert clickhouse.query("SELECT count() FROM late_joins").result_rows == [(1,)]


def test_what_workers_have_not_noted_is_for_the_next_export(
    clean: Settings, client: TestClient
) -> None:
    a, b = Search("a", offset=0), Search("b", offset=1)
    store(clean, World((a, b), (Event(a, "1", offset=0), Event(a, "2", offset=1))))
    store(clean, World((), (Event(b, "1", offset=0),)))
    note(clean, sessions=1, events=1)
    copy = Copy(client)
    copy.pull()
    assert copy.told == ["a"]
    assert set(copy.events) == {("a", "1")}
    assert [event["event_id"] for event in copy.sessions["a"]["events"]] == ["1"]
    note(clean, sessions=2, events=2)
    copy.pull()
    assert copy.told == ["a", "b"]
    assert set(copy.events) == {("a", "1"), ("a", "2"), ("b", "1")}


def test_what_is_posted_again_is_not_new(clean: Settings, client: TestClient) -> None:
    a = Search("a", offset=0)
    store(clean, World((a,), (Event(a, "1", offset=0),)))
    note(clean, sessions=1, events=1)
    copy = Copy(client)
    copy.pull()
    again = Search("a", "another query", offset=1)
    store(clean, World((again,), (Event(again, "1", "z", offset=1),)))
    note(clean, sessions=2, events=2)
    copy.pull()
    assert copy.told == []
    assert (copy.sessions, copy.events) == copy.whole()


def test_an_erased_session_is_told_by_its_hash(clean: Settings, client: TestClient) -> None:
    store(clean, World((Search("a", offset=0), Search("b", offset=1))))
    note(clean, sessions=2)
    copy = Copy(client)
    copy.pull()
    with connect(clean) as clickhouse:
        hashed = bytes.fromhex(hash_of("a"))
        clickhouse.insert("erased_sessions", [[hashed, b"u" * 32]], ["session_hash", "user_hash"])
    on_table(clean, "SYSTEM START MERGES {}", "sessions")  # a deletion is one
    on_table(clean, "DELETE FROM {} WHERE session_id = 'a'", "sessions")
    copy.pull()
    assert copy.removed == [hash_of("a")]
    assert set(copy.sessions) == {"b"}


def test_with_irrelevant_sessions_a_mark_is_a_change(clean: Settings, client: TestClient) -> None:
    store(clean, World((Search("a", offset=0), Search("b", offset=1))))
    note(clean, sessions=2)
    copy = Copy(client, {"relevance": "include"})
    copy.pull()
    store(clean, World(marks=(Mark("b", offset=0),)))
    note(clean, sessions=2, marks=1)
    copy.pull()
    assert (copy.told, copy.removed) == (["b"], [])
    assert copy.sessions["b"]["is_irrelevant"]


def test_only_irrelevant_ones_are_removed_when_the_mark_is_taken_back(
    clean: Settings, client: TestClient
) -> None:
    store(clean, World((Search("a", offset=0),), marks=(Mark("a", offset=0),)))
    note(clean, sessions=1, marks=1)
    copy = Copy(client, {"relevance": "only"})
    copy.pull()
    assert copy.told == ["a"]
    store(clean, World(marks=(Mark("a", is_irrelevant=False, offset=1),)))
    note(clean, sessions=1, marks=2)
    copy.pull()
    assert (copy.told, copy.removed) == ([], [hash_of("a")])


def test_at_one_watermark_the_bytes_are_the_same_whatever_came_since(
    clean: Settings, client: TestClient
) -> None:
    searches = [Search(f"s{n}", offset=n, created_at=NOON_MS + n % 3 * DAY_MS) for n in range(40)]
    events = [Event(each, "1", offset=n) for n, each in enumerate(searches)]
    store(clean, World(tuple(searches), tuple(events)))
    note(clean, sessions=30, events=20)
    asked = {"received_until": client.get("/export/sessions").headers[WATERMARK_HEADER]}

    def files() -> list[bytes]:
        formats = [("sessions", each) for each in ("ndjson", "csv", "parquet")]
        formats += [("events", "csv"), ("events", "parquet")]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lines, "PORTION_SESSIONS", 3)
            return [
                client.get(f"/export/{name}", params={**asked, "format": format}).content
                for name, format in formats
            ]

    before = files()
    assert before[0].count(b"\n") == 30
    assert before[3].count(b"\n") == 21
    more = Search("more", offset=40)
    store(clean, World((more,), (Event(searches[0], "2", offset=40),)))
    note(clean, sessions=41, events=41)
    layout = Layout.of(clean)
    on_tables(clean, "SYSTEM START MERGES {}", "sessions", "events")
    with connect(clean) as clickhouse:
        for table in ("sessions", "events"):
            itself = table_itself(table, layout)
            clickhouse.command(f"OPTIMIZE TABLE {itself}{layout.on_cluster} FINAL")
    assert files() == before


def test_an_export_that_was_cut_off_goes_on_behind_its_last_line(
    clean: Settings, client: TestClient
) -> None:
    searches = [Search(f"s{n}", offset=n, created_at=NOON_MS + n % 3 * DAY_MS) for n in range(9)]
    store(clean, World(tuple(searches)))
    note(clean, sessions=9)
    whole = client.get("/export/sessions", params={"received_after": BEGINNING})
    asked = {"received_until": whole.headers[WATERMARK_HEADER]}
    written = whole.text.splitlines()
    assert len(written) == 9
    for number, line in enumerate(written):
        behind = {**asked, "behind": json.loads(line)["session_id"]}
        rest = client.get("/export/sessions", params=behind).text.splitlines()
        assert rest == written[number + 1 :]


@pytest.mark.parametrize(
    ("path", "params", "named"),
    [
        ("sessions", {"received_after": "nonsense"}, "received_after"),
        ("sessions", {"received_until": "Zm9v"}, "received_until"),
        ("sessions", {"received_after": "ahead"}, "received_after"),
        ("sessions", {"behind": "a"}, "behind"),
        ("sessions", {"behind": "nobody", "received_after": "0"}, "behind"),
        ("sessions", {"format": "parquet", "compression": "gzip"}, "compression"),
        ("removals", {}, "received_after"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(
    clean: Settings, client: TestClient, path: str, params: dict[str, str], named: str
) -> None:
    store(clean, World((Search("a", offset=0),)))
    if params.get("received_after") == "ahead":
        note(clean, sessions=100)
        token = client.get("/export/sessions").headers[WATERMARK_HEADER]
        params = {"received_after": token}
        forget(clean)
    note(clean, sessions=1)
    answer = client.get(f"/export/{path}", params=params)
    assert answer.status_code == 422
    assert [each["path"] for each in answer.json()["errors"]] == [f"query.{named}"]


def test_filters_select_sessions_and_their_events(clean: Settings, client: TestClient) -> None:
    a = Search("a", "boots", offset=0, user_id="ann", search_meta='{"device":"phone"}')
    b = Search("b", "boots", offset=1, user_id="bob")
    c = Search("c", "shoes", offset=2, user_id="ann")
    store(
        clean, World((a, b, c), tuple(Event(each, "1", offset=each.offset) for each in (a, b, c)))
    )
    note(clean, sessions=3, events=3)

    def found(**params: str) -> tuple[list[str], list[str]]:
        exported = client.get("/export/sessions", params=params).text.splitlines()
        events = read_table(client.get("/export/events", params=params).content)
        return (
            sorted(json.loads(line)["session_id"] for line in exported),
            sorted(row["session_id"] for row in events),
        )

    for more in ({}, {"received_after": BEGINNING}):
        assert found(user="ann", **more) == (["a", "c"], ["a", "c"])
        assert found(query="boots", **more) == (["a", "b"], ["a", "b"])
        assert found(query="boots", user="ann", **more) == (["a"], ["a"])


def test_csv_and_compressed_files_are_read_by_pandas(clean: Settings, client: TestClient) -> None:
    odd = 'a "quoted", text\nwith two lines; ünï'
    a = Search("a", odd, (("x", 1.5, '{"k": 1}'), ("y", None, None)), offset=0, user_id=None)
    store(clean, World((a, Search("b", offset=1)), (Event(a, "1", "y", offset=0),)))
    for compression in ("none", "gzip"):
        asked = {"format": "csv", "compression": compression}
        content = client.get("/export/sessions", params=asked).content
        inferred = None if compression == "none" else compression
        frame = pd.read_csv(io.BytesIO(content), compression=inferred).set_index("session_id")
        assert frame.loc["a", "search_query"] == odd
        assert pd.isna(frame.loc["a", "user_id"])
        results = json.loads(str(frame.loc["a", "search_results"]))
        assert [each["object_id"] for each in results] == ["x", "y"]
    events = pd.read_csv(io.BytesIO(client.get("/export/events", params={"format": "csv"}).content))
    assert events["position"].tolist() == [2]
    packed = client.get("/export/sessions", params={"compression": "gzip"})
    assert packed.headers["content-type"] == "application/gzip"
    plain = client.get("/export/sessions").content
    assert gzip.decompress(packed.content) == plain
    assert client.get("/export/sessions", params={"compression": "gzip"}).content == packed.content
    zstd = client.get("/export/sessions", params={"compression": "zstd"}).content
    assert pa.input_stream(io.BytesIO(zstd), compression="zstd").read() == plain


def test_the_command_goes_on_from_the_watermark_it_printed(clean: Settings, tmp_path: Path) -> None:
    store(clean, World((Search("a", offset=0),)))
    note(clean, sessions=1)
    everything = Selection(None, None, Relevance.EXCLUDE)

    def written(options: RowOptions) -> tuple[list[dict[str, Any]], str]:
        file = tmp_path / "out"
        watermark = export_rows(clean, everything, Filters(), options, file)
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()], watermark

    first, watermark = written(RowOptions("sessions", "ndjson", received_after=BEGINNING))
    assert [line["session_id"] for line in first] == ["a"]
    store(clean, World((Search("b", offset=1),), marks=(Mark("a", offset=0),)))
    note(clean, sessions=2, marks=1)
    second, until = written(RowOptions("sessions", "ndjson", received_after=watermark))
    assert [line["session_id"] for line in second] == ["b"]
    asked = RowOptions("removals", "ndjson", "none", watermark, until)
    assert written(asked)[0] == [
        {"session_id": "a", "session_hash": hash_of("a"), "reason": "irrelevant"}
    ]


@st.composite
def histories(draw: st.DrawFn) -> list[list[Search | Event | Mark]]:
    """Records in the order in which they are posted, in parts: a pull is behind each."""
    searches = [
        Search(
            f"s{n}", draw(st.sampled_from(["boots", "shoes"])), created_at=NOON_MS + n % 2 * DAY_MS
        )
        for n in range(3)
    ]
    records = st.one_of(
        st.sampled_from(searches),
        st.builds(Event, st.sampled_from(searches), st.sampled_from("12"), st.sampled_from("ab")),
        st.builds(Mark, st.sampled_from([each.session_id for each in searches]), st.booleans()),
    )
    parts = draw(st.lists(st.lists(records, max_size=6), min_size=2, max_size=3))
    return [list(part) for part in parts]


def stored_by_a_worker(settings: Settings, records: Sequence[Search | Event | Mark]) -> None:
    """All records so far, each at its offset. Events of sessions that have not come wait."""
    searches, events, marks = (
        [r for r in records if isinstance(r, kind)] for kind in (Search, Event, Mark)
    )
    come = {search.session_id: search for search in reversed(searches)}
    joined = [e for e in events if e.search.session_id in come]
    store(settings, World(tuple(searches), tuple(joined), tuple(marks)))


def numbered(history: Sequence[Search | Event | Mark]) -> list[Search | Event | Mark]:
    counts = dict.fromkeys((Search, Event, Mark), 0)
    found = []
    for record in history:
        found.append(type(record)(**{**fields_of(record), "offset": counts[type(record)]}))
        counts[type(record)] += 1
    return found


def fields_of(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


@effort(
    max_examples=examples(3),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories())
def test_pulls_of_what_is_new_make_up_one_pull_of_everything(
    module_settings: Settings, client: TestClient, history: list[list[Search | Event | Mark]]
) -> None:
    forget(module_settings)
    records = numbered([record for part in history for record in part])
    copies = [Copy(client, {"relevance": each}) for each in ("exclude", "include")]
    copies.append(Copy(client, {"query": "boots"}))
    marked = {record.session_id for record in records if isinstance(record, Mark)}
    number = 0
    for part in history:
        number += len(part)
        stored_by_a_worker(module_settings, records[:number])
        counts = [sum(isinstance(r, k) for r in records[:number]) for k in (Search, Event, Mark)]
        note(module_settings, *counts)
        for copy in copies:
            seen = dict(copy.sessions)
            copy.pull()
            # What did not change is not told again, unless it was marked as it was before.
            same = {key for key in copy.told if seen.get(key) == copy.sessions[key]}
            assert same <= marked
    for copy in copies:
        assert (copy.sessions, copy.events) == copy.whole()


def test_the_property_is_not_empty(
    clean: Settings, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without what is told of late events, the copy is another."""
    monkeypatch.setattr(covered, "_HAS_NEW_EVENT", "false")
    a = Search("a", offset=0)
    store(clean, World((a,)))
    note(clean, sessions=1)
    copy = Copy(client)
    copy.pull()
    store(clean, World((), (Event(a, "1", offset=0),)))
    note(clean, sessions=1, events=1)
    copy.pull()
    assert copy.sessions != copy.whole()[0]
