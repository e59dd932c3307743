"""What changes days of long ago: purchases that come late, and a user who is erased."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pyarrow as pa

from benchmarks.load_tables import STANDING_STILL, Feed, Month
from benchmarks.script import Size
from clickstream.operations.erasure.eraser import eraser_of
from core import clickhouse
from core.errors import Unavailable
from core.settings import Settings
from stream_processors.join.table_columns import EVENTS
from stream_processors.write.clickhouse import ClickHouseSink
from stream_processors.write.facts import touched

LATE_PURCHASES: Final = 300_000
"""At scale 1, each of a session of its own; of each thousand ten are marked, and have none."""

_BLOCK: Final = 1_000
_BLOCKS_AT_ONCE: Final = 10
_ERASED_SESSIONS: Final = 200
_REQUESTS: Final = 10


def store_late_purchases(settings: Settings, month: Month, size: Size) -> None:
    """Write them, spread over the month, and compute the facts."""
    wanted = size.of(LATE_PURCHASES)
    block = min(_BLOCK, wanted)
    every = month.sessions // -(-wanted // block)
    feed, sink = Feed(settings, month.corpus), ClickHouseSink(settings)
    tag = f"late-{time.time_ns()}"  # each run writes others
    firsts = range(0, month.sessions - block + 1, every)
    for place in range(0, len(firsts), _BLOCKS_AT_ONCE):
        blocks = firsts[place : place + _BLOCKS_AT_ONCE]
        events = pa.concat_tables([feed.late_purchases(first, block, tag) for first in blocks])
        sink.write(EVENTS, events)
        sink.refresh_facts(touched(events, "session_created_at", is_posted=False))


def erase_somebody(settings: Settings, month: Month) -> int:
    """Store sessions of one more user over the whole month, with their facts, and erase him;
    returns how many sessions that were."""
    seed = time.time_ns() % 2**31
    corpus = replace(
        month.corpus, seed=seed, total=_ERASED_SESSIONS, users=1, user_prefix=f"erased-{seed}-"
    )
    feed = Feed(settings, corpus)
    made = feed.made(0, _ERASED_SESSIONS)
    feed.send(made)
    ClickHouseSink(settings).refresh_facts(touched(made[0], "created_at", is_posted=True))
    with merging(settings):
        return _erased(settings, f"erased-{seed}-0")


@contextlib.contextmanager
def merging(settings: Settings) -> Iterator[None]:
    """ClickHouse merges within, also what stands still while it is measured: a deletion is a
    mutation, which waits for that."""
    with clickhouse.connect(settings, role="clickstream bench") as client:
        for table in STANDING_STILL:
            client.command(f"SYSTEM START MERGES {table}")
        yield
        for table in STANDING_STILL:
            client.command(f"SYSTEM STOP MERGES {table}")


def _erased(settings: Settings, user_id: str) -> int:
    """As a client does it: what does not end in time goes on with the next request."""
    erase = eraser_of(settings)
    for _ in range(_REQUESTS):
        with contextlib.suppress(Unavailable):
            return erase(user_id, None).sessions
    raise AssertionError(f"{user_id} is not erased after {_REQUESTS} requests")
