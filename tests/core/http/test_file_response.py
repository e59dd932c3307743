"""Files that never change, whole and in part."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request, Response

from core.http.file_response import FixedFile, file_response
from tests.local_client import LocalClient

CONTENT = bytes(range(256)) * 4_000
FILE = FixedFile(
    open=lambda: io.BytesIO(CONTENT),
    name="a.bin",
    size=len(CONTENT),
    sha256="ab" * 32,
    modified_ms=1_700_000_000_000,
    media_type="application/octet-stream",
)


@pytest.fixture(scope="module")
def api() -> Iterator[LocalClient]:
    app = FastAPI()

    @app.get("/a")
    async def get(request: Request) -> Response:
        return file_response(request, FILE)

    with LocalClient(app) as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-", 10, len(CONTENT)),
        ("bytes=-7", len(CONTENT) - 7, len(CONTENT)),
        ("bytes=-99999999999", 0, len(CONTENT)),
        ("bytes=5-99999999999", 5, len(CONTENT)),
        ("bytes=300000-900000", 300_000, 900_001),
    ],
)
def test_a_range_is_the_bytes_that_were_asked_for(
    api: LocalClient, asked: str, start: int, end: int
) -> None:
    answer = api.get("/a", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=9-3", "bytes=-", "lines=1-2", "bytes=1-2,4-5", "x", ""])
def test_what_is_no_range_gets_the_whole_file(api: LocalClient, asked: str) -> None:
    answer = api.get("/a", headers={"range": asked})
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["etag"] == f'"{FILE.sha256}"'
    assert answer.headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", "bytes=-0"])
def test_a_range_behind_the_end_is_told_the_size(api: LocalClient, asked: str) -> None:
    answer = api.get("/a", headers={"range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": f'"{FILE.sha256}"'}, 304),
        ({"if-none-match": f'W/"{FILE.sha256}", "x"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"range": "bytes=1-2", "if-range": f'"{FILE.sha256}"'}, 206),
        ({"range": "bytes=1-2", "if-range": "Tue, 14 Nov 2023 22:13:20 GMT"}, 206),
        ({"range": "bytes=1-2", "if-range": '"other"'}, 200),
    ],
)
def test_conditions_hold_by_the_digest(
    api: LocalClient, headers: dict[str, str], status: int
) -> None:
    assert api.get("/a", headers=headers).status_code == status
