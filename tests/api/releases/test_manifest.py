"""Manifests, names, portions of hours, row groups and files: pure."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.releases import sql
from api.releases.files import SESSIONS, SessionFiles
from api.releases.manifest import (
    Manifest,
    Order,
    ReleaseFile,
    Watermark,
    check_name,
    decode,
    encode,
    is_sealed,
    sealed,
)
from api.releases.verify import verify_folder
from core.errors import InvalidRequest


def manifest(name: str, files: tuple[ReleaseFile, ...] = ()) -> Manifest:
    return sealed(
        Manifest(
            name=name,
            made_at_ms=1_700_000_000_000,
            made_by=None,
            code_version="1",
            writer="w",
            order=Order(query="é"),
            watermark=Watermark(0, (1,), (2,), (3,)),
            rows_per_group=2,
            sessions_per_file=4,
            counts={"sessions": 1},
            left_out={},
            schemas={},
            files=files,
        )
    )


def test_a_manifest_comes_back_and_any_change_of_it_shows() -> None:
    made = manifest("a")
    assert decode(encode(made)) == made
    assert is_sealed(encode(made))
    for change in ({"name": "b"}, {"counts": {"sessions": 2}}, {"order": Order()}):
        assert not is_sealed(encode(msgspec.structs.replace(made, **change)))


def test_a_manifest_of_a_version_with_other_fields_is_as_it_was_written() -> None:
    text = encode(sealed(manifest("a")))
    content = json.loads(text)
    content["a_field_of_later"] = [1]
    content["sha256"] = ""
    written = json.dumps(content, indent=2).encode()
    sha256 = hashlib.sha256(written).hexdigest()
    later = written.replace(b'"sha256": ""', f'"sha256": "{sha256}"'.encode())
    assert decode(later).name == "a"
    assert is_sealed(later)
    assert not is_sealed(later.replace(b"[\n    1", b"[\n    2"))


@pytest.mark.parametrize("name", ["a", "2026-01", "a.b_c-d", "x" * 64])
def test_names_that_are_taken(name: str) -> None:
    check_name("$.name", name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/b", "A", "-a", "a..b", "a\\b", "é", "a b", "x" * 65, "a\n"]
)
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        check_name("$.name", name)
    assert error.value.errors[0].path == "$.name"


@given(st.lists(st.integers(1, 30_000), max_size=30))
def test_portions_have_every_hour_once_and_no_more_than_is_held(counts: list[int]) -> None:
    hours = [(hour * 3, count) for hour, count in enumerate(counts)]
    found = sql.portions(hours)
    held = [[h for h, _ in hours if p.from_hour <= h <= p.to_hour] for p in found]
    assert [hour for hours_held in held for hour in hours_held] == [hour for hour, _ in hours]
    by_hour = dict(hours)
    for hours_held in held:
        assert len(hours_held) == 1 or sum(map(by_hour.__getitem__, hours_held)) <= 20_000


def sessions(first: int, count: int) -> pa.Table:
    rows = [
        {
            "session_id": f"s{n}",
            "search_query": "q" * (n % 7),
            "search_results": [{"object_id": "o", "rank": n / 3, "meta": None}] * (n % 3),
            "search_meta": None,
            "payload_filter": None,
            "sort_by": None,
            "user_id": None,
            "created_at": n,
            "events": [],
            "session_hash": n,
        }
        for n in range(first, first + count)
    ]
    return pa.Table.from_pylist(rows, schema=SESSIONS.remove(0))


class _Kept(io.BytesIO):
    """What was written stays readable when it is closed."""

    def close(self) -> None:
        pass


def written(pieces: list[int], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, _Kept]]:
    monkeypatch.setattr("api.releases.files.ROWS_PER_GROUP", 4)
    kept: dict[str, _Kept] = {}

    def create(name: str) -> _Kept:
        return kept.setdefault(name, _Kept())

    files = SessionFiles(create, sessions_per_file=10)
    first = 0
    for count in pieces:
        files.add(sessions(first, count))
        first += count
    files.close()
    return files, kept


@pytest.mark.parametrize("pieces", [[23], [1] * 23, [7, 0, 9, 7], [12, 11], [10, 10, 3]])
def test_the_bytes_do_not_depend_on_the_pieces(
    pieces: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, kept = written(pieces, monkeypatch)
    whole, _ = written([23], monkeypatch)
    assert files.files == whole.files
    assert [(each.rows, each.first_number) for each in files.files] == [(10, 1), (10, 11), (3, 21)]
    assert [(each.from_ms, each.to_ms) for each in files.files] == [(0, 9), (10, 19), (20, 22)]
    for each in files.files:
        content = kept[each.name].getvalue()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (each.bytes, each.sha256)
        groups = pq.ParquetFile(io.BytesIO(content))
        assert [groups.metadata.row_group(n).num_rows for n in range(groups.num_row_groups)] == (
            [4, 4, 2] if each.rows == 10 else [3]
        )
    assert (files.sessions, files.results) == (23, sum(n % 3 for n in range(23)))


def test_a_copy_is_verified_byte_by_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, kept = written([12], monkeypatch)
    for name, content in kept.items():
        (tmp_path / name).write_bytes(content.getvalue())
    (tmp_path / "manifest.json").write_bytes(encode(manifest("a", tuple(files.files))))
    assert verify_folder(tmp_path) == []
    whole = (tmp_path / "sessions-00001.parquet").read_bytes()
    for place in (0, len(whole) // 2, len(whole) - 1):
        flipped = bytearray(whole)
        flipped[place] ^= 128
        (tmp_path / "sessions-00001.parquet").write_bytes(flipped)
        (found,) = verify_folder(tmp_path)
        assert found.file == "sessions-00001.parquet"
    (tmp_path / "sessions-00001.parquet").unlink()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "file").touch()
    assert [(each.file, each.problem) for each in verify_folder(tmp_path)] == [
        ("sessions-00001.parquet", "is missing"),
        ("more/file", "is not in the manifest"),
    ]
