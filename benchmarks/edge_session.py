"""The edge under `POST /session` with a list of 20 results: what a search costs until durable."""

from __future__ import annotations

from benchmarks.edge_round import EdgeRound
from benchmarks.edge_servers import FASTAPI, GO
from benchmarks.outcome import Target
from benchmarks.script import Benchmark, main
from benchmarks.wrk import Load
from schemas.contracts import SESSION

NAME = "edge_session"

_BODY = """
    local results = {}
    for place = 1, 20 do
        results[place] = string.format(
            '{"object_id":"B0%08d","rank":%d.%04d,"meta":{"source":"index-%d"}}',
            (n * 20 + place) * 7919 % 200000, 30 - place, n * place % 10000, place % 4)
    end
    return string.format(
        '{"session_id":"%s","search_query":"query about %d","search_results":[%s],'
        .. '"search_meta":{"latency_ms":%d},"user_id":"user-%d","created_at":%d}',
        id, n % 50000, table.concat(results, ","), n % 400, n % 500000, 1760000000000 + n)
"""

BENCHMARK = Benchmark(
    NAME,
    EdgeRound(NAME, Load("/session", _BODY), SESSION),
    (
        Target("cpu_us_per_request", at_most=1 / 3, against=FASTAPI),
        Target("p99_ms", at_most=20),
        Target("cpu_us_per_request", at_most=2, against=GO),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
