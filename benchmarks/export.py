"""Parquet over HTTP: a month of sessions from our API, and from ClickHouse's own port.

ClickHouse answers `SELECT * FROM sessions FORMAT Parquet` over the raw table, marked sessions and
redelivered rows included, in row groups of the size of ours; ours leaves out what does not count.
Both are read by the same client into a file.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import pyarrow.parquet as pq

from benchmarks.api_process import api_process
from benchmarks.cpu import metered, resident_bytes
from benchmarks.lab import Lab
from benchmarks.load_tables import Month, stored_month
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.script import Benchmark, Size, main
from core.clickhouse.client import address_of
from core.server_urls import Address

RAW: Final = "ClickHouse"
_SAMPLE_EVERY_SECONDS: Final = 0.1
# The profile's FINAL would not be a raw read; and with row groups of the default size the local
# server runs out of its gigabyte.
_RAW_QUERY: Final = (
    "SELECT * FROM sessions SETTINGS final = 0, output_format_parquet_row_group_size = 500000,"
    " output_format_parquet_row_group_size_bytes = 33554432 FORMAT Parquet"
)


def measure_export(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Both once, each to a file that is read afterwards."""
    with (
        stored_month(lab, size) as (settings, month),
        api_process(lab, settings) as api,
        tempfile.TemporaryDirectory(prefix="clickstream-export-") as folder,
    ):
        pids = {"api": api.pid}
        if lab.clickhouse_pid is not None:
            pids["clickhouse"] = lab.clickhouse_pid
        file = Path(folder) / "sessions.parquet"
        clickhouse = address_of(settings)
        for contender, url, headers, params in (
            (RAW, clickhouse.url, login(clickhouse), _raw_query(clickhouse)),
            (OURS, f"{api.url}/export/sessions", {}, {"format": "parquet"}),
        ):
            with metered(pids) as meter, Memory(api.pid) as memory:
                download(url, headers, params, file)
            rows = pq.ParquetFile(file).metadata.num_rows
            if contender == OURS:
                _check(file, rows, month)
            cpu = {f"{name}_cpu_us_per_row": s * 1e6 / rows for name, s in meter.cpu.items()}
            growth = {"api_grew_mb": memory.growth / 1e6} if contender == OURS else {}
            yield Outcome(
                "export", contender, {"rows_per_second": rows / meter.wall, **cpu, **growth}
            )


def login(clickhouse: Address) -> dict[str, str]:
    return {"X-ClickHouse-User": clickhouse.user, "X-ClickHouse-Key": clickhouse.password}


def _raw_query(clickhouse: Address) -> dict[str, str]:
    return {"query": _RAW_QUERY, "database": clickhouse.database}


def download(url: str, headers: dict[str, str], params: dict[str, str], file: Path) -> None:
    """Raises httpx.HTTPError for an answer that is refused or does not end."""
    # Parquet is compressed already.
    headers = {**headers, "Accept-Encoding": "identity"}
    with (
        file.open("wb") as target,
        httpx.stream("GET", url, params=params, timeout=600, headers=headers) as answer,
    ):
        answer.raise_for_status()
        for chunk in answer.iter_raw():
            target.write(chunk)


def _check(file: Path, rows: int, month: Month) -> None:
    """Every session that is not marked, and no other; the first row group as it was made."""
    wanted = month.sessions - len(month.marked)
    if rows != wanted:
        raise AssertionError(f"{rows} sessions were exported, not {wanted}")
    sample = pq.ParquetFile(file).read_row_group(0, columns=["session_id"]).to_pylist()
    exported = {row["session_id"] for row in sample}
    # A row group is of one day or two: whoever is in it was made, and was not marked.
    marked = {month.corpus.session_ids(number, 1)[0] for number in month.marked[:1000]}
    if exported & marked or len(exported) != len(sample):
        raise AssertionError("marked or doubled sessions were exported")


class Memory:
    """How much a process grows while the block runs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before = 0
        self._most = 0

    @property
    def growth(self) -> int:
        return max(0, self._most - self._before)

    def __enter__(self) -> Self:
        self._before = resident_bytes(self._pid)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set():
            self._most = max(self._most, resident_bytes(self._pid))
            time.sleep(_SAMPLE_EVERY_SECONDS)


BENCHMARK = Benchmark(
    "export",
    measure_export,
    (Target("rows_per_second", at_least=0.7, against=RAW), Target("api_grew_mb", at_most=50)),
)

if __name__ == "__main__":
    main(BENCHMARK)
