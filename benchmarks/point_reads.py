"""GET /session/… of sessions that are anywhere in a month of traffic.

Ids are drawn at random, so nearly every one is new to the caches. Concurrency 1 gives the time that
a user waits, concurrency 16 what one process can do.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterator, Sequence

import aiohttp
import msgspec

from benchmarks.api_process import api_process
from benchmarks.cpu import metered
from benchmarks.lab import Lab
from benchmarks.load_tables import EVENTS, MARKED_EVERY, RESULTS, Month, stored_month
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.script import Benchmark, Size, main

_ALONE = 400
_TOGETHER = 3_000
_CONCURRENCY = 16


def measure_point_reads(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Ours at concurrency 1 and 16, after a short warm-up."""
    with stored_month(lab, size) as (settings, month), api_process(lab, settings) as api:
        drawn = _drawn(month, 200 + _ALONE + _TOGETHER)
        warm, alone, together = drawn[:200], drawn[200 : 200 + _ALONE], drawn[200 + _ALONE :]
        asyncio.run(_read(api.url, month, warm, 4))
        times = asyncio.run(_read(api.url, month, alone, 1))
        pids = {"api": api.pid}
        if lab.clickhouse_pid is not None:
            pids["clickhouse"] = lab.clickhouse_pid
        with metered(pids) as meter:
            crowded = asyncio.run(_read(api.url, month, together, _CONCURRENCY))
        cpu = {
            f"{name}_cpu_ms": seconds * 1000 / len(together) for name, seconds in meter.cpu.items()
        }
        yield Outcome(
            "point_reads",
            OURS,
            {
                "p50_ms": statistics.median(times) * 1000,
                "p99_ms": _quantile(times, 0.99) * 1000,
                "per_second_at_16": len(together) / meter.wall,
                "p99_ms_at_16": _quantile(crowded, 0.99) * 1000,
                **cpu,
            },
        )


def _drawn(month: Month, count: int) -> list[int]:
    return random.Random(time.time_ns()).sample(range(month.sessions), min(count, month.sessions))  # noqa: S311


async def _read(url: str, month: Month, numbers: Sequence[int], concurrency: int) -> list[float]:
    """Seconds of each request. Raises AssertionError for an answer that is not the stored one."""
    ids = [(number, month.corpus.session_ids(number, 1)[0]) for number in numbers]
    rest = iter(ids)
    times: list[float] = []

    async def reader(http: aiohttp.ClientSession) -> None:
        for number, session_id in rest:
            started = time.perf_counter()
            async with http.get(f"{url}/session", params={"session_id": session_id}) as answer:
                body = await answer.read()
            times.append(time.perf_counter() - started)
            _check(number, session_id, answer.status, body)

    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(reader(http) for _ in range(concurrency)))
    return times


def _check(number: int, session_id: str, status: int, body: bytes) -> None:
    found = msgspec.json.decode(body)
    is_marked = number % MARKED_EVERY == MARKED_EVERY // 2
    if (
        status != 200
        or found["session_id"] != session_id
        or len(found["search_results"]) != RESULTS
        or len(found["events"]) < EVENTS  # late purchases come on top
        or found["is_irrelevant"] != is_marked
    ):
        raise AssertionError(f"session {number} comes back wrong: {status} {body[:300]!r}")


def _quantile(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


BENCHMARK = Benchmark(
    "point_reads",
    measure_point_reads,
    (
        Target("p50_ms", at_most=10),
        Target("p99_ms", at_most=30),
        Target("per_second_at_16", at_least=200),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
