"""The edge under `POST /session/events` with one event: what a click costs until it is durable."""

from __future__ import annotations

from benchmarks.edge_round import EdgeRound
from benchmarks.edge_servers import BEHIND_NGINX, FASTAPI, GO
from benchmarks.outcome import OURS, Target
from benchmarks.script import Benchmark, main
from benchmarks.wrk import Load
from schemas.contracts import EVENT

NAME = "edge_event"

_BODY = """
    return string.format(
        '{"session_id":"%s","events":[{"event_id":"evt-%s","object_id":"B0%08d",'
        .. '"event_type":"click","created_at":%d,"meta":{"rank_position":%d}}]}',
        id, id, n % 200000, 1760000000000 + n, n % 20 + 1)
"""

BENCHMARK = Benchmark(
    NAME,
    EdgeRound(NAME, Load("/session/events", _BODY), EVENT, through_nginx=True),
    (
        Target("cpu_us_per_request", at_most=58),
        Target("cpu_us_per_request", at_most=1 / 3, against=FASTAPI),
        Target("p99_ms", at_most=20),
        Target("cpu_us_per_request", at_most=2, against=GO),
        # A connection for each request costs both the same, and more than the request.
        Target(
            "cpu_us_per_request",
            at_most=1 / 2,
            against=FASTAPI + BEHIND_NGINX,
            of=OURS + BEHIND_NGINX,
        ),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
