"""What one request may cost the others."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from core.clock import SystemClock
from core.consistency.position import Position
from core.errors import InvalidRequest, Overloaded
from core.http.admission import InFlightLimit
from core.settings import Limits
from core.user_ids import UserIds
from producers.ingest import Ingest
from producers.publisher import Records
from schemas.contracts import Contract
from tests.producers.memory_publisher import MemoryPublisher

LIMITS = Limits()
MANY = LIMITS.items


class Nowhere(MemoryPublisher):
    def __init__(self) -> None: ...

    async def publish(self, _contract: Contract, _key: str, records: Records) -> Position:
        return Position("t", 0, len(records))


def events_with(meta: str) -> bytes:
    return (
        b'{"session_id":"s","events":[{"event_id":"e","object_id":"o","meta":%b}]}' % meta.encode()
    )


BODIES = {
    "many events": json.dumps(
        {
            "session_id": "s" * 100,
            "events": [
                {"event_id": f"e{n}", "object_id": "o", "meta": {"a": [n]}} for n in range(MANY)
            ],
        }
    ).encode(),
    "unknown fields": json.dumps(
        {
            "session_id": "s",
            "events": [{"event_id": f"e{n}", "object_id": "o", "x": 1} for n in range(MANY)],
        }
    ).encode(),
    "unknown names": json.dumps(
        {"session_id": "s"} | {f"name{n}": 0 for n in range(100_000)}
    ).encode(),
    "brackets": b"[" * 2_000_000,
    "objects": events_with('{"a":[' + "{}," * 600_000 + "1]}"),
    "strings": events_with('{"a":[' + '"[",' * 400_000 + "1]}"),
    "numbers": events_with('{"a":[' + "1e100," * 100_000 + "1]}"),
}


@pytest.mark.parametrize("name", BODIES)
def test_no_body_keeps_the_event_loop(name: str) -> None:
    """Processor time that goes by between two turns of a neighbour on the same loop, which is what
    it waits for where nobody else wants the processor; other processes do not count. The bound is
    generous, for two threads take turns of 5 ms: one pass over 2 MB in one go took half a second.
    """
    turns: list[float] = []

    async def run() -> None:
        thread = ThreadPoolExecutor(1)
        ingest = Ingest(Nowhere(), LIMITS, SystemClock(), UserIds(None), thread)

        async def neighbour() -> None:
            while True:
                before = time.process_time()
                await asyncio.sleep(0.001)
                turns.append(time.process_time() - before)

        task = asyncio.create_task(neighbour())
        await asyncio.sleep(0)  # it begins before the body, and has a turn after it
        with suppress(InvalidRequest):
            await ingest.events(BODIES[name])
        await asyncio.sleep(0.01)
        task.cancel()
        thread.shutdown()

    asyncio.run(run())
    assert turns
    assert max(turns) < 0.25, name


def test_encoded_records_count_as_much_as_bodies() -> None:
    limit = InFlightLimit(10, 1_000)
    with limit.begin() as first:
        first.grow(900)
        with limit.begin() as second, pytest.raises(Overloaded):
            second.grow(200)
        assert limit.bytes == 900
    assert (limit.requests, limit.bytes) == (0, 0)
