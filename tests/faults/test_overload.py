"""Five times as much as an edge takes on: the rest is refused at once, and memory stays flat."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from core import clickhouse
from core.settings import HttpSettings, Settings
from tests.conftest import Corner
from tests.e2e.process_pair import ProcessPair

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_800)]

# `make faults` asks for ten minutes; CI is content with the default.
SECONDS = float(os.environ.get("CLICKSTREAM_TEST_OVERLOAD_SECONDS", "10"))
TAKEN = 32
CLIENTS = 5 * TAKEN
# Requests of a session, so that there are few sessions to read back.
EVENTS_A_SESSION = 50
# The allocator's arenas fill up at first; what grows after that is a queue.
WARM_SECONDS = 5.0
MOST_GROWTH = 0.10
READ_SECONDS = 120.0


@dataclass
class Outcome:
    """What all clients were answered."""

    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    refused: int = 0
    wrong: list[str] = field(default_factory=list)


async def client(port: int, name: str, until: float, outcome: Outcome) -> None:
    """Sends the next event as soon as the last one is answered; never waits as it is told."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    number = 0
    try:
        while time.monotonic() < until:
            session_id, event_id = f"{name}-{number // EVENTS_A_SESSION}", str(number)
            event = {"event_id": event_id, "object_id": "o"}
            body = json.dumps({"session_id": session_id, "events": [event]}).encode()
            head = (
                "POST /session/events HTTP/1.1\r\nHost: localhost\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(answer.partition("content-length: ")[2].partition("\r\n")[0])
            await reader.readexactly(length)
            if answer.startswith("http/1.1 200"):
                outcome.acknowledged.add((session_id, event_id))
                number += 1
            elif answer.startswith("http/1.1 503") and "\r\nretry-after: " in answer:
                outcome.refused += 1
                await asyncio.sleep(0)
            else:
                outcome.wrong.append(answer)
    finally:
        writer.close()


async def overload(pair: ProcessPair, seconds: float, round_name: str) -> Outcome:
    port = int(pair.url.rpartition(":")[2])
    outcome = Outcome()
    until = time.monotonic() + seconds
    await asyncio.gather(
        *(client(port, f"{round_name}-{n}", until, outcome) for n in range(CLIENTS))
    )
    return outcome


def stored(settings: Settings, at_least: int) -> set[tuple[str, str]]:
    """What can be read, once there is so much of it or a patient reader would give up."""
    with clickhouse.connect(settings) as client:
        deadline = time.monotonic() + READ_SECONDS
        while True:
            rows = client.query(
                "SELECT session_id, event_id FROM unjoined_events FINAL"
            ).result_rows
            if len(rows) >= at_least or time.monotonic() > deadline:
                return {(session_id, event_id) for session_id, event_id in rows}
            time.sleep(0.5)


def test_the_excess_is_refused_and_nothing_acknowledged_is_lost(
    corner: Corner, tmp_path: Path
) -> None:
    bounds = HttpSettings(requests_in_flight=TAKEN)
    with corner(http=bounds) as settings, ProcessPair(settings, tmp_path) as pair:
        edge = psutil.Process(pair.edge.pid)
        outcomes = [asyncio.run(overload(pair, WARM_SECONDS, "warm"))]
        before = edge.memory_info().rss
        outcomes.append(asyncio.run(overload(pair, SECONDS, "long")))
        after = edge.memory_info().rss
        acknowledged = set().union(*(outcome.acknowledged for outcome in outcomes))
        assert not [answer for outcome in outcomes for answer in outcome.wrong]
        assert outcomes[1].refused
        assert after < before * (1 + MOST_GROWTH)
        assert not acknowledged - stored(settings, len(acknowledged))
