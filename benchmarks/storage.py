"""Bytes on disk, compressed, of what a month of traffic leaves in ClickHouse."""

from __future__ import annotations

from collections.abc import Iterator

from clickhouse_connect.driver.client import Client

from benchmarks.lab import Lab
from benchmarks.load_tables import RESULTS, stored_month
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.script import Benchmark, Size, main
from core import clickhouse

# Merged days only: the newest one holds rows twice, as they came.
_PARTS = """
SELECT table, sum(bytes_on_disk), sum(rows)
FROM system.parts
WHERE active AND database = currentDatabase()
    AND table IN ('sessions', 'events', 'session_facts')
    AND position(partition, {newest:String}) = 0
GROUP BY table
"""
_COLUMNS = """
SELECT table, column, sum(column_data_compressed_bytes) AS bytes
FROM system.parts_columns
WHERE active AND database = currentDatabase()
    AND table IN ('sessions', 'events', 'session_facts')
GROUP BY table, column
ORDER BY bytes DESC
LIMIT 12
"""
_NEWEST = "SELECT toString(max(session_day)) FROM sessions"


def measure_storage(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Everything on disk counts: indexes, marks, the columns of the session with its results."""
    with (
        stored_month(lab, size) as (settings, _),
        clickhouse.connect(settings, role="clickstream bench") as client,
    ):
        ((newest,),) = client.query(_NEWEST).result_rows
        found = {
            table: (int(stored), int(rows))
            for table, stored, rows in client.query(
                _PARTS, parameters={"newest": newest}
            ).result_rows
        }
        sessions, events = found["sessions"], found["events"]
        facts = found.get("session_facts", (0, 1))
        yield Outcome(
            "storage",
            OURS,
            {
                "bytes_per_event": events[0] / events[1],
                "bytes_per_shown_result": sessions[0] / sessions[1] / RESULTS,
                "fact_bytes_per_session": facts[0] / facts[1],
            },
            _largest(client),
        )


def _largest(client: Client) -> str:
    """The columns that cost most."""
    columns = client.query(_COLUMNS).result_rows
    whole = sum(stored for _, _, stored in columns)
    return ", ".join(
        f"{table}.{column} {stored / whole:.0%}" for table, column, stored in columns if whole
    )


BENCHMARK = Benchmark(
    "storage",
    measure_storage,
    (Target("bytes_per_event", at_most=60), Target("bytes_per_shown_result", at_most=12)),
)

if __name__ == "__main__":
    main(BENCHMARK)
