"""The notebook in examples/ runs from its first cell to its last, and what it leaves is read by URL
with the tools that README.md names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import datasets
import duckdb
import fsspec
import httpx
import pandas as pd
import polars as pl
import pytest

from core.settings import ReleaseSettings
from tests.conftest import Corner
from tests.e2e.process_pair import ProcessPair

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "from_clicks_to_ranker.ipynb"


@pytest.fixture(scope="module")
def pair(corner: Corner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessPair]:
    """With releases, after a run of the notebook."""
    folder = tmp_path_factory.mktemp("notebook")
    releases = {"releases": ReleaseSettings(uri=str(folder / "releases"))}
    with corner() as settings, ProcessPair(settings.model_copy(update=releases), folder) as pair:
        keep = [] if "CLICKSTREAM_TEST_WRITE_NOTEBOOK" in os.environ else ["--check"]
        run = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "run_notebook.py"), str(NOTEBOOK), *keep],
            env={**os.environ, "CLICKSTREAM_URL": pair.url, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        yield pair


@pytest.mark.engines
@pytest.mark.timeout(300)
def test_a_release_is_read_by_url(pair: ProcessPair, tmp_path: Path) -> None:
    """In parts: of a file that is finished, a part can be asked for."""
    (found,) = httpx.get(f"{pair.url}/releases").raise_for_status().json()["releases"]
    release = httpx.get(f"{pair.url}/releases/{found['name']}").raise_for_status().json()
    url = f"{pair.url}/releases/{found['name']}/files/{release['files'][0]['name']}"
    sessions = release["counts"]["sessions"]
    assert len(pd.read_parquet(url)) == sessions
    assert pl.scan_parquet(url).select("search_query").collect().height == sessions
    rows = datasets.load_dataset(
        "parquet", data_files=url, split="train", streaming=True, cache_dir=str(tmp_path)
    )
    assert next(iter(rows))["session_number"] == 1
    # Without the extension that DuckDB would download. It asks when a file was changed, which
    # fsspec does not tell of HTTP: files of releases never are.
    http = fsspec.filesystem("http")
    http.modified = lambda _: datetime.fromtimestamp(release["made_at_ms"] / 1000, UTC)
    with duckdb.connect() as connection:
        connection.register_filesystem(http)
        query = f"SELECT count(), max(session_number) FROM read_parquet('{url}')"  # noqa: S608 - ours
        assert connection.sql(query).fetchall() == [(sessions, sessions)]


@pytest.mark.engines
@pytest.mark.timeout(300)
def test_an_export_is_read_by_url(pair: ProcessPair, tmp_path: Path) -> None:
    """From its first byte to its last: it has no length, and HEAD says so."""
    head = httpx.head(f"{pair.url}/export/sessions?format=parquet")
    assert head.headers["accept-ranges"] == "none"
    assert "content-length" not in head.headers
    sessions = f"{pair.url}/export/sessions?format="
    loaded = len(pd.read_parquet(sessions + "parquet"))
    assert loaded > 2_000
    assert len(pd.read_json(sessions + "ndjson", lines=True)) == loaded
    assert len(pd.read_csv(sessions + "csv&compression=gzip", compression="gzip")) == loaded
    # Polars asks for a length first.
    assert pl.read_csv(httpx.get(sessions + "csv", timeout=60).content).height == loaded
    rows = datasets.load_dataset(
        "parquet", data_files=sessions + "parquet", split="train", cache_dir=str(tmp_path)
    )
    assert len(rows) == loaded


def test_the_notebook_has_its_plots() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    pictures = [
        out for cell in code for out in cell["outputs"] if "image/png" in out.get("data", {})
    ]
    assert len(pictures) == 2
