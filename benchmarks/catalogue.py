"""All rows of the list of targets, in the order in which they are run and printed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.script import Benchmark


@dataclass(frozen=True, slots=True)
class Row:
    """One benchmark of the catalogue; its module has the same name.

    `short_scale` is its share of the work in the short form: all rows together take 15 minutes on
    2 cores. `needs_pids` says that it has nothing to say about servers whose processes it cannot
    look into.
    """

    name: str
    about: str
    short_scale: float
    full_rounds: int = 3
    needs_pids: bool = False

    def load(self) -> Benchmark:
        """Import it. Its module imports what only it needs."""
        benchmark: Benchmark = importlib.import_module(f"benchmarks.{self.name}").BENCHMARK
        return benchmark


ROWS: Final = (
    Row("sink_events", "events into ClickHouse, beside other sinks", 1.0),
    Row("sink_both", "sessions and events into ClickHouse, beside its Kafka engine", 1.0),
    Row("edge_event", "POST /session/events, beside other servers", 0.5),
    Row("edge_session", "POST /session, beside other servers", 0.5),
    Row("freshness", "from acknowledged to readable", 0.5),
    Row("point_reads", "GET /session among many", 0.05),
    Row("analytics", "every analytics question", 0.05),
    Row("console", "the page: first numbers, and a mark's", 0.05),
    Row("export", "Parquet, beside ClickHouse's own", 0.05),
    Row("training", "judgments and training files, beside ClickHouse's own Parquet", 0.05),
    Row("storage", "bytes on disk", 0.05),
    Row("memory_edge", "memory of an edge at full rate", 1 / 30, full_rounds=1),
    Row("memory_worker", "memory of a worker at full rate", 1 / 30, full_rounds=1),
    Row("growth", "cost as tables and workers grow", 0.1, needs_pids=True),
)


def chosen(names: Sequence[str] | None) -> list[Row]:
    """These rows, in the order of the catalogue; without names all. ValueError for a wrong name."""
    known = [row.name for row in ROWS]
    if unknown := [name for name in names or () if name not in known]:
        raise ValueError(f"no row is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [row for row in ROWS if not names or row.name in names]
