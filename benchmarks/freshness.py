"""How long after its acknowledgement an event can be read, by SQL and by GET, under steady load.

    python -m benchmarks.freshness

Method: one edge process, one worker, one api process. Sessions of 20 results are posted at a steady
pace, each followed some seconds later by two requests of four events: 5,000 events a second. The
clock of an event starts when the client has its 200. SQL is asked for all the samples that are
still out, GET by each of its few samples, every 25 ms or after four times as long as the last
answer took, since every question costs CPU that the pipeline needs. Facts are asked for those of
GET's samples, by the number of events that they count. `facts_core_share` is the time that the
worker's refreshes of facts took, of the time of the load: each is one thread of ClickHouse, so they
took no more CPU. The first 45 seconds do not
count: the broker is a new process, and compiles its code meanwhile. `parts` are those that inserts
have created in ClickHouse.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.api_process import api_process
from benchmarks.corpus import Corpus
from benchmarks.edge_servers import our_server, running
from benchmarks.lab import Lab, loopback_port
from benchmarks.lean_http import lean_writer
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.progress import GroupProgress
from benchmarks.readers import FactsReader, GetReader, SqlReader
from benchmarks.script import Benchmark, Size, main
from benchmarks.sink import (
    TIMEOUT_SECONDS,
    check_ledger,
    corpus_of,
    metrics_url,
    settings_with,
    worker_at,
)
from benchmarks.steady import SteadyLoad
from clickstream.local.demo.api_client import http_client
from clickstream.local.demo.latency import percentiles
from core import clickhouse
from core.settings import Settings
from schemas.topics import Topics

NAME = "freshness"
EVENTS_PER_SECOND = 5_000
SECONDS = 60
WARM_UP_SECONDS = 45


def round_(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Measure it once; the load runs for `SECONDS` at full scale, and before that to warm up."""
    corpus = corpus_of(EVENTS_PER_SECOND * (WARM_UP_SECONDS + size.of(SECONDS)))
    with lab.isolated() as isolated, ExitStack() as stack:
        settings = settings_with(isolated, metrics_port=loopback_port())
        stack.enter_context(worker_at(lab, settings))
        edge = stack.enter_context(running(lab, our_server(), settings))
        api = stack.enter_context(api_process(lab, settings))
        parts, refreshing = parts_created(settings), seconds_of_facts(settings)
        found, seconds = uvloop.run(drive(settings, corpus, edge.url, api.url))
        found["parts_per_second"] = (parts_created(settings) - parts) / seconds
        found["facts_core_share"] = (seconds_of_facts(settings) - refreshing) / seconds
        finish(settings, corpus)
        yield Outcome(NAME, OURS, found)


async def drive(
    settings: Settings, corpus: Corpus, edge: str, api: str
) -> tuple[dict[str, float], float]:
    """The figures of the readers, and how long the load ran."""
    load = SteadyLoad(corpus, EVENTS_PER_SECOND)
    async with lean_writer(edge) as writes, http_client(api, None) as reads:
        client = await clickhouse.connect_async(settings, role="clickstream bench")
        try:
            sql, get = SqlReader(client), GetReader(reads)
            facts = FactsReader(client, corpus.events // 2)
            warm_at = time.perf_counter() + WARM_UP_SECONDS

            def acknowledged(session_id: str, event_id: str) -> None:
                is_warm = time.perf_counter() >= warm_at
                facts.acknowledged(session_id, is_warm)
                if is_warm:
                    sql.watch(session_id, event_id)
                    get.watch(session_id, event_id)

            seconds = await load.run(writes, acknowledged)
            await sql.finish()
            await get.finish()
            await facts.finish()
        finally:
            await client.close()
    figures: dict[str, float] = {"events_per_second": load.pace_kept(seconds)}
    for name, times in (("sql", sql.times), ("get", get.times), ("facts", facts.times)):
        found = percentiles(times)
        figures |= {f"{name}_p50_ms": found.p50_ms, f"{name}_p99_ms": found.p99_ms}
        figures[f"{name}_samples"] = found.samples
    return figures, seconds


def parts_created(settings: Settings) -> int:
    """By inserts, since ClickHouse was started. Nothing else inserts meanwhile."""
    with clickhouse.connect(settings, role="clickstream bench") as client:
        found = client.query(
            "SELECT value FROM system.events WHERE event = 'MergeTreeDataWriterBlocks'"
        )
        return int(found.result_rows[0][0]) if found.result_rows else 0


def seconds_of_facts(settings: Settings) -> float:
    """That the worker has spent with refreshing facts."""
    metrics = httpx.get(f"{metrics_url(settings)}/metrics").raise_for_status().text
    return next(
        sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "clickstream_worker_facts_seconds_sum"
    )


def finish(settings: Settings, corpus: Corpus) -> None:
    """Everything acknowledged is stored, once, joined."""
    topics = Topics.from_settings(settings)
    everything = [topics.sessions, topics.events]
    with GroupProgress.from_settings(settings, settings.worker.group, everything) as records:
        records.wait(corpus.total * (1 + corpus.events), TIMEOUT_SECONDS)
    check_ledger(settings, corpus)


BENCHMARK = Benchmark(
    NAME,
    round_,
    (
        Target("sql_p50_ms", at_most=250),
        Target("sql_p99_ms", at_most=600),
        Target("get_p50_ms", at_most=250),
        Target("get_p99_ms", at_most=600),
        Target("parts_per_second", at_most=8),
        Target("facts_p99_ms", at_most=5_000),
        Target("facts_core_share", at_most=0.05),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
