"""Releases, from stored rows to files and back over HTTP."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from api.releases.manifest import Order
from api.releases.service import ReleaseService, State
from api.releases.verify import verify
from core.clock import SystemClock
from core.errors import ReleaseExists, ReleaseTooLarge, TooManyReleases
from tests.api.releases.world import (
    AFTER,
    HOUR_MS,
    IN_RELEASE,
    IRRELEVANT,
    SEARCHES,
    SESSIONS,
    make,
    rows,
)
from tests.api.stored import DAY_MS, NOON_MS, Event, World, store
from tests.local_client import LocalClient

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.engines


def test_a_release_has_what_is_below_the_watermark_in_order(released: ReleaseService) -> None:
    manifest = make(released, "first").manifest
    found = rows(released, "first")
    assert [row["session_id"] for row in found] == [each.session_id for each in IN_RELEASE]
    assert [row["session_number"] for row in found] == list(range(1, len(found) + 1))
    by_id = {row["session_id"]: row for row in found}
    assert by_id["s05"]["search_query"] == "query 2"
    assert [event["event_id"] for event in by_id["s02"]["events"]] == ["e1", "e0"]
    assert by_id["s03"]["search_results"] == [
        {"object_id": f"o{n}", "rank": n / 2, "meta": json.dumps({"n": n})} for n in range(3)
    ]
    assert by_id["s03"]["events"][0]["position"] == 1
    assert by_id["s00"]["events"] == []
    assert [file.sessions for file in manifest.files] == [20, 20, len(found) - 40]
    assert manifest.counts["sessions"] == len(found)
    assert manifest.left_out == {
        "irrelevant": len(IRRELEVANT),
        "after_the_watermark": SESSIONS - AFTER,
        "filtered_out": 0,
    }
    assert verify(released.storage, released.release("first")) == []


def test_made_twice_at_one_watermark_the_bytes_are_the_same(
    released: ReleaseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make(released, "first").manifest
    # Read in other pieces, beside rows that came since.
    monkeypatch.setattr("api.releases.sql.PORTION_SESSIONS", 3)
    late = replace(SEARCHES[3], session_id="later", offset=99)
    store(released.settings, World((late,), (Event(SEARCHES[6], "new", "o0", offset=70),)))
    second = make(released, "second").manifest
    assert second.files == first.files
    assert second.left_out["after_the_watermark"] == first.left_out["after_the_watermark"] + 1


def test_filters_choose_sessions_and_are_counted(released: ReleaseService) -> None:
    order = Order(query="query 1", from_ms=NOON_MS - DAY_MS, to_ms=NOON_MS - DAY_MS + 6 * HOUR_MS)
    manifest = make(released, "some", order).manifest
    in_range = [each for each in IN_RELEASE if each.created_at < NOON_MS - DAY_MS + 6 * HOUR_MS]
    asked = [each.session_id for each in in_range if each.query == "query 1"]
    assert [row["session_id"] for row in rows(released, "some")] == asked
    assert manifest.left_out["filtered_out"] == len(in_range) - len(asked)
    assert manifest.order == order


def test_a_name_is_taken_once_and_there_is_a_most(released: ReleaseService) -> None:
    for name in ("a", "b", "c"):
        make(released, name)
    with pytest.raises(TooManyReleases, match="retire one first"):
        make(released, "d")
    released.retire("b")
    make(released, "d")
    with pytest.raises(ReleaseExists):
        make(released, "b")
    assert released.storage.sizes("b").keys() == {"manifest.json", "retired.json"}
    assert verify(released.storage, released.release("b")) == []


def test_a_release_that_would_be_too_large_is_refused(released: ReleaseService) -> None:
    most = released.settings.releases.model_copy(update={"most_sessions": 10})
    small = ReleaseService(
        released.settings.model_copy(update={"releases": most}), SystemClock(), "1"
    )
    with pytest.raises(ReleaseTooLarge, match="10 at most"):
        make(small, "large")
    assert small.names() == []
    small.close()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: flip(folder / "sessions-00001.parquet"), "has SHA-256"),
        (lambda folder: (folder / "sessions-00001.parquet").unlink(), "is missing"),
        (lambda folder: (folder / "other").write_text("x"), "is not in the manifest"),
    ],
)
def test_verify_finds_what_is_not_as_it_was_made(
    released: ReleaseService, damage: Callable[[Path], object], problem: str
) -> None:
    make(released, "first")
    damage(Path(released.storage.shown) / "first")
    (found,) = verify(released.storage, released.release("first"))
    assert problem in found.problem


def test_verify_finds_a_manifest_that_was_changed(released: ReleaseService) -> None:
    make(released, "first")
    path = Path(released.storage.shown) / "first" / "manifest.json"
    path.write_text(path.read_text().replace('"sessions": 43', '"sessions": 44'))
    again = ReleaseService(released.settings, SystemClock(), "1")
    (found,) = verify(again.storage, again.release("first"))
    assert found.file == "manifest.json"
    again.close()


def test_files_are_served_in_whole_and_in_part(released: ReleaseService, api: LocalClient) -> None:
    manifest = make(released, "first").manifest
    file = manifest.files[0]
    url = f"/releases/first/files/{file.name}"
    whole = api.get(url)
    assert hashlib.sha256(whole.content).hexdigest() == file.sha256
    assert whole.headers["etag"] == f'"{file.sha256}"'
    assert whole.headers["accept-ranges"] == "bytes"
    head = api.head(url)
    assert head.status_code == 200
    assert int(head.headers["content-length"]) == file.bytes
    assert head.headers["last-modified"] == whole.headers["last-modified"]
    part = api.get(url, headers={"range": "bytes=-100"})
    assert (part.status_code, part.content) == (206, whole.content[-100:])
    assert api.get(url, headers={"if-none-match": head.headers["etag"]}).status_code == 304
    assert pq.read_table(io.BytesIO(whole.content)).num_rows == 20

    listed = api.get("/releases").json()["releases"]
    assert [(each["name"], each["state"]) for each in listed] == [("first", "whole")]
    shown = api.get("/releases/first").json()
    assert shown["files"][0]["sha256"] == file.sha256
    assert api.get("/releases/first/files/manifest.json").status_code == 404
    assert api.get("/releases/first/files/..%2F..%2Fetc").status_code == 404
    assert api.get("/releases/FIRST").json()["errors"][0]["path"] == "path.name"
    assert api.get("/releases/second").status_code == 404
    assert api.delete("/releases/first").json()["state"] == "retired"
    gone = api.get(url)
    assert (gone.status_code, gone.json()["type"]) == (
        410,
        "urn:clickstream:problem:release-retired",
    )


def test_another_process_sees_what_the_storage_has(
    released: ReleaseService, api: LocalClient
) -> None:
    """The api has made none of it: each process asks the storage, not its memory."""
    storage = released.storage
    assert api.get("/releases/first").status_code == 404
    storage.begin("first")
    assert api.get("/releases/first").json() == {"name": "first", "state": "being_made"}
    assert api.get("/releases").json()["releases"] == []
    storage.delete_folder("first")
    assert api.get("/releases/first").status_code == 404
    made = make(released, "first").manifest
    assert api.get("/releases/first").json()["state"] == "whole"
    url = f"/releases/first/files/{made.files[0].name}"
    assert hashlib.sha256(api.get(url).content).hexdigest() == made.files[0].sha256
    other = ReleaseService(released.settings, SystemClock(), "1")
    assert verify(other.storage, other.release("first")) == []
    other.retire("first")
    other.close()
    assert released.release("first").state is State.RETIRED
    assert api.get(url).status_code == 410


def test_what_is_posted_is_checked_by_field(api: LocalClient) -> None:
    for body, path in (
        ({"name": "../x"}, "$.name"),
        ({"name": "x" * 65}, "$.name"),
        ({"name": "a", "from": "yesterday"}, "$.from"),
        ({"name": "a", "from": "2026-01-02", "to": "2026-01-01"}, "$.from"),
        ({"name": "a", "query_regex": "("}, "$.query_regex"),
        ({"name": "a", "query_regex": "(?=x)"}, "$.query_regex"),
        (
            {"name": "a", "dimensions": {"search_meta.device": "x"}},
            "$.dimensions.search_meta.device",
        ),
        ({"name": "a", "relevance": "include"}, "$.relevance"),
    ):
        answer = api.post("/releases", json=body)
        assert answer.status_code == 422, body
        assert answer.json()["errors"][0]["path"] == path
    # The workers of this corner have stored nothing: an empty release is one.
    made = api.post("/releases", json={"name": "nothing"})
    assert (made.status_code, made.json()["counts"]["sessions"]) == (201, 0)
    assert made.headers["location"] == "/releases/nothing"
    assert api.post("/releases", json={"name": "nothing"}).status_code == 409
