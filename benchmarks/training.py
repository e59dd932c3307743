"""Judgments of a month, and training files of its last day, beside ClickHouse's own Parquet.

    python -m benchmarks.training

Method: `judgments_seconds` is how long `GET /judgments?format=parquet` takes over the whole month,
propensities included, by the estimator that is usual; `judgments_grew_mb` is by how much the api
grows meanwhile, beside the gigabyte that ClickHouse may use. Training files are the long table of
the last day, a row for each result that was shown, without features; ClickHouse's own is
`SELECT * FROM impressions` of that day, over its own port, in row groups of a bounded size. Both
are read by the same client into a file.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from benchmarks.api_process import ApiProcess, api_process
from benchmarks.cpu import metered
from benchmarks.export import Memory, download, login
from benchmarks.lab import Lab
from benchmarks.load_tables import DAYS, Month, stored_month
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.script import Benchmark, Size, main
from core.clickhouse.client import address_of
from core.settings import Settings

NAME: Final = "training"
RAW: Final = "ClickHouse"
_RAW_QUERY: Final = (
    "SELECT * FROM impressions WHERE session_day = toDate(fromUnixTimestamp64Milli({}, 'UTC'))"
    " SETTINGS output_format_parquet_row_group_size = 500000,"
    " output_format_parquet_row_group_size_bytes = 33554432 FORMAT Parquet"
)


def round_(lab: Lab, size: Size) -> Iterator[Outcome]:
    """All of it once."""
    with (
        stored_month(lab, size) as (settings, month),
        api_process(lab, settings) as api,
        tempfile.TemporaryDirectory(prefix="clickstream-training-") as folder,
    ):
        file = Path(folder) / "file.parquet"
        judged = judgments(api, month, file)
        for contender, figures in (
            (RAW, raw_table(lab, settings, month, file)),
            (OURS, {**long_table(lab, api, month, file), **judged}),
        ):
            yield Outcome(NAME, contender, figures)


def judgments(api: ApiProcess, month: Month, file: Path) -> dict[str, float]:
    """Of the whole month."""
    asked = {"from": str(month.last_days(DAYS)), "to": str(month.last_days(0)), "format": "parquet"}
    with Memory(api.pid) as memory:
        started = time.perf_counter()
        download(f"{api.url}/judgments", {}, asked, file)
        seconds = time.perf_counter() - started
    return {
        "judgments_seconds": seconds,
        "judgments_grew_mb": memory.growth / 1e6,
        "judged_pairs": pq.ParquetFile(file).metadata.num_rows,
    }


def long_table(lab: Lab, api: ApiProcess, month: Month, file: Path) -> dict[str, float]:
    """Of the last day."""
    asked = {"from": str(month.last_days(1)), "to": str(month.last_days(0)), "format": "parquet"}
    with Memory(api.pid) as memory:
        figures = timed(lab, api.pid, f"{api.url}/export/training", {}, asked, file)
    return {**figures, "training_grew_mb": memory.growth / 1e6}


def raw_table(lab: Lab, settings: Settings, month: Month, file: Path) -> dict[str, float]:
    """The same day, by ClickHouse alone."""
    clickhouse = address_of(settings)
    query = _RAW_QUERY.format(month.last_days(1))
    asked = {"query": query, "database": clickhouse.database}
    return timed(lab, None, clickhouse.url, login(clickhouse), asked, file)


def timed(
    lab: Lab,
    api_pid: int | None,
    url: str,
    headers: dict[str, str],
    params: dict[str, str],
    file: Path,
) -> dict[str, float]:
    """Rows in a second, and the CPU of those who make them."""
    pids = {"api": api_pid, "clickhouse": lab.clickhouse_pid}
    with metered({name: pid for name, pid in pids.items() if pid is not None}) as meter:
        download(url, headers, params, file)
    rows = pq.ParquetFile(file).metadata.num_rows
    cpu = {f"{name}_cpu_us_per_row": s * 1e6 / rows for name, s in meter.cpu.items()}
    return {"rows_per_second": rows / meter.wall, **cpu}


BENCHMARK = Benchmark(
    NAME,
    round_,
    (
        Target("judgments_seconds", at_most=60),
        Target("judgments_grew_mb", at_most=500),
        Target("rows_per_second", at_least=0.5, against=RAW),
        Target("training_grew_mb", at_most=50),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
