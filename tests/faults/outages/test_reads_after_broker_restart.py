"""After the broker was killed, reads that ask Kafka answer again within seconds."""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpx
import pytest

from core.consistency.position import POSITION_HEADER
from tests.faults.lab.faults import kill_engine
from tests.faults.lab.plan import times
from tests.faults.lab.system import Lab

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_800)]

# A leader is elected in one to three seconds, and a worker commits again when it has rejoined its
# group; the rest is for a busy machine. Without asking Kafka for the new leaders it is 15 minutes.
ANSWERED_SECONDS = 60.0


def test_reads_that_miss_and_reads_with_a_position_after_a_kill_of_the_broker(lab: Lab) -> None:
    with httpx.Client(timeout=30) as http:
        for kill in range(times(10, short=1)):
            _read_until(http, lab, 404, {"session_id": "never-posted"})  # it knows the leaders now
            kill_engine(lab.engines.kafka)
            id_ = f"posted-after-kill-{kill}"
            position = _post_until_acknowledged(http, lab, id_)
            _read_until(http, lab, 200, {"session_id": id_}, {POSITION_HEADER: position})
            _read_until(http, lab, 404, {"session_id": f"never-posted-{kill}"})


def _post_until_acknowledged(http: httpx.Client, lab: Lab, session_id: str) -> str:
    """Returns the position of the write."""
    body = {"session_id": session_id, "search_query": "boots", "search_results": []}
    give_up = time.monotonic() + ANSWERED_SECONDS
    while (answer := http.post(f"{lab.edge.url}/session", json=body)).status_code != 200:
        assert time.monotonic() < give_up, answer.text
        time.sleep(0.2)
    return answer.headers[POSITION_HEADER]


def _read_until(
    http: httpx.Client,
    lab: Lab,
    status: int,
    params: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> None:
    """Only a 503 may come before the answer."""
    give_up = time.monotonic() + ANSWERED_SECONDS
    while True:
        answer = http.get(f"{lab.api.url}/session", params=params, headers=headers)
        if answer.status_code == status:
            return
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < give_up, answer.text
        time.sleep(0.2)
