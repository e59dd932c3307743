"""Write the table of docs/scale.md: what measured numbers say of a thousand to a million events/s.

`--check` only compares. A number is measured (`MEASURED`, from benchmarks/RESULTS.md), assumed
(`ASSUMED`, with its reason), or computed from both here. Run it by `make docs`.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).with_name("scale.md")
_BEGIN, _END = "<!-- written by write_scale.py -->\n", "<!-- end -->\n"
RATES: Final = (1_000, 100_000, 1_000_000)
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Measured:
    """From benchmarks/RESULTS.md and docs/operations.md; CPU in seconds, storage in bytes.

    Of two moments of the machine the slower one counts, so that a plan holds on a bad day.
    """

    events_per_session: float = 8.0
    results_per_session: float = 20.0
    edge_event: float = 127e-6  # CPU of a POST of one event; 68 µs at the better moment
    edge_session: float = 190e-6  # 114 µs at the better moment
    edge_bytes: float = 149e6
    worker_event: float = 4.48e-6  # the worker's share of an event, its session included
    worker_idle: float = (
        0.29  # cores for flushes and fetches, whatever is in them: 62 µs at 5,000/s
    )
    worker_rate: float = 128_000.0  # events with their sessions of one worker, by the clock
    worker_bytes: float = 574e6
    sink_event: float = 13.5e-6  # ClickHouse's share at five merged rows an event, the worst
    parts: float = 7.5  # of one worker a second, every 0.26 s
    flush_seconds: float = 0.26
    broker_request: float = 25e-6  # CPU of one produce request of a few records
    stored_event: float = 37.1
    stored_result: float = 10.6
    stored_facts: float = 100.0  # of a session
    log_event: float = 300.0  # in Kafka, compressed: 7,000 in 2 MiB
    log_session: float = 1_600.0  # 1,300 in 2 MiB
    filter_session: float = 1.25  # memory of a session that is known to be stored
    filter_bytes: float = 32 * 2**20  # of a worker, by default


@dataclass(frozen=True, slots=True)
class Assumed:
    """Not measured here; each with its reason."""

    load: float = 0.6  # of a core: what is above it is for peaks and for catching up
    shard_cores: int = 8  # a common size of server
    broker_cores: int = 8
    linger_seconds: float = 0.002  # librdkafka's in the edge
    # New parts that a server merges at ease, of all tables: its 16 threads each merge some at once.
    parts: float = 30.0
    replicas: int = 2
    log_copies: int = 3
    log_days: int = 7
    kept_days: int = 30
    # US dollars a month: usual list prices of clouds, memory of 4 GB with each core.
    core: float = 30.0
    disk_tb: float = 90.0


MEASURED: Final = Measured()
ASSUMED: Final = Assumed()


@dataclass(frozen=True, slots=True)
class Plan:
    """What one rate needs. Rates are a second."""

    rate: float
    edges: int
    workers: int
    partitions: int
    brokers: int
    shards: int
    flush_seconds: float
    parts: float
    sink_cores: float
    memory_gb: float
    stored_tb: float
    log_tb: float
    filter_gb: float
    filter_hours: float
    dollars: float
    limits: tuple[tuple[str, float], ...]
    """What the plan's parts bear, in events a second, the lowest first."""

    @property
    def first_limit(self) -> tuple[str, float]:
        return self.limits[0]


def plan_for(rate: float, m: Measured = MEASURED, a: Assumed = ASSUMED) -> Plan:
    """The least that carries this many events a second, with as many again in reserve as `load`
    leaves. Two of each that an outage must not stop."""
    sessions = 1 / m.events_per_session
    edge_event = m.edge_event + sessions * m.edge_session
    edges = max(2, math.ceil(rate * edge_event / a.load))
    workers = max(2, math.ceil(rate / (m.worker_rate * a.load)))
    partitions = max(8, 2 ** math.ceil(math.log2(2 * workers)))
    # Each edge sends a request to each partition that has a record within a linger.
    requests = _produce_requests(rate * (1 + sessions), edges, 2 * partitions, a.linger_seconds)
    request_cores = requests * m.broker_request * a.log_copies
    brokers = max(3, math.ceil(request_cores / (a.broker_cores * a.load)))
    # Each replica merges for itself.
    sink_cores = rate * m.sink_event * a.replicas
    shards = max(1, math.ceil(sink_cores / a.replicas / (a.shard_cores * a.load)))
    # A flush makes a part in each shard, however many there are: only rarer flushes make fewer.
    parts_as_usual = workers * m.parts
    flush_seconds = m.flush_seconds * max(1.0, parts_as_usual / a.parts)
    stored = m.stored_event + sessions * (m.results_per_session * m.stored_result + m.stored_facts)
    stored_tb = rate * _DAY * a.kept_days * stored * a.replicas / 1e12
    log_event = m.log_event + sessions * m.log_session
    log_tb = rate * _DAY * a.log_days * log_event * a.log_copies / 1e12
    filter_gb = rate * sessions * _DAY * a.kept_days * m.filter_session / 1e9
    cores = (
        edges
        + workers * max(1.0, m.worker_idle + rate / workers * m.worker_event)
        + brokers * a.broker_cores
        + shards * a.replicas * a.shard_cores
    )
    limits = {
        "CPU of the edges": edges / edge_event,
        "CPU of the brokers, by requests": rate * brokers * a.broker_cores / request_cores,
        "workers": workers * m.worker_rate,
        "partitions: no more workers than that": partitions * m.worker_rate,
        "CPU of ClickHouse, at the worst merges": shards * a.shard_cores / m.sink_event,
    }
    return Plan(
        rate=rate,
        edges=edges,
        workers=workers,
        partitions=partitions,
        brokers=brokers,
        shards=shards,
        flush_seconds=flush_seconds,
        parts=parts_as_usual * m.flush_seconds / flush_seconds,
        sink_cores=sink_cores,
        memory_gb=(edges * m.edge_bytes + workers * m.worker_bytes) / 1e9 + filter_gb,
        stored_tb=stored_tb,
        log_tb=log_tb,
        filter_gb=filter_gb,
        filter_hours=workers * m.filter_bytes / m.filter_session / (rate * sessions) / 3600,
        dollars=cores * a.core + (stored_tb + log_tb) * a.disk_tb,
        limits=tuple(sorted(limits.items(), key=lambda limit: limit[1])),
    )


def _produce_requests(records: float, edges: int, partitions: int, linger: float) -> float:
    """Produce requests a second of all edges: of each edge and partition one a linger at most, and
    none where no record came in it (Poisson)."""
    places = edges * partitions
    return places / linger * (1 - math.exp(-records * linger / places))


def _table(plans: list[Plan], a: Assumed) -> str:
    rows = [
        ("edges, a core each", [f"{p.edges}" for p in plans]),
        ("workers, a core each", [f"{p.workers}" for p in plans]),
        ("partitions of each topic", [f"{p.partitions}" for p in plans]),
        (f"brokers of {a.broker_cores} cores", [f"{p.brokers}" for p in plans]),
        (f"shards, {a.replicas} replicas of {a.shard_cores} cores", [f"{p.shards}" for p in plans]),
        ("cores that ClickHouse is busy with", [f"{p.sink_cores:.1f}" for p in plans]),
        ("`FLUSH_SECONDS`", [f"{p.flush_seconds:.2f}" for p in plans]),
        ("parts created a second, in each shard", [f"{p.parts:.0f}" for p in plans]),
        ("memory of edges and workers", [f"{p.memory_gb:.1f} GB" for p in plans]),
        ("… of it for the filter of stored sessions", [f"{p.filter_gb:.1f} GB" for p in plans]),
        (
            "with `SEEN_BYTES` as it is, it is full after",
            [f"{p.filter_hours:.1f} h" for p in plans],
        ),
        (f"disk of ClickHouse, {a.kept_days} days", [f"{p.stored_tb:.1f} TB" for p in plans]),
        (f"disk of Kafka, {a.log_days} days", [f"{p.log_tb:.1f} TB" for p in plans]),
        ("US dollars a month", [f"{round(p.dollars, -2):,.0f}" for p in plans]),
        ("… for a million events", [_dollars(p) for p in plans]),
        ("saturates first", [p.first_limit[0] for p in plans]),
        ("… at", [f"{_rounded(p.first_limit[1]):,}/s" for p in plans]),
        ("next", [p.limits[1][0] for p in plans]),
        ("… at", [f"{_rounded(p.limits[1][1]):,}/s" for p in plans]),
    ]
    head = "| | " + " | ".join(f"{p.rate:,.0f} events/s" for p in plans) + " |\n"
    lines = (f"| {name} | {' | '.join(values)} |\n" for name, values in rows)
    return head + "|---|" + "---|" * len(plans) + "\n" + "".join(lines)


def _dollars(plan: Plan) -> str:
    return f"{plan.dollars / (plan.rate * _DAY * 30 / 1e6):.3f}"


def _rounded(rate: float) -> int:
    """To two digits: nothing here is known better."""
    return int(round(rate, 1 - math.floor(math.log10(rate))))


def page() -> str:
    """The whole page, the table made anew."""
    before, _, rest = PAGE.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    table = _table([plan_for(rate) for rate in RATES], ASSUMED)
    return f"{before}{_BEGIN}{table}{_END}{after}"


def main() -> int:
    """0 when the page is, or was made, what the code says."""
    wanted = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.read_text("utf-8") == wanted
        if not same:
            print(f"{PAGE} is not what the code says: run `make docs`", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
