"""A flood of events for one session id that no session has, as a page with a mistake sends them.

Others' events are joined meanwhile, the worker goes on, and every event of the flood waits or is a
dead letter.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core import clickhouse
from tests.clickstream.operations.replay.traffic import Traffic
from tests.conftest import Corner
from tests.stream_processors.fleet import Fleet

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_200)]

FLOOD = int(os.environ.get("CLICKSTREAM_TEST_WAITING_EVENTS", "20000"))
# Waiting since before there was a cap, and sessions with lists of 2 MB.
WAITED = int(os.environ.get("CLICKSTREAM_TEST_WAITED", "250000"))
LISTS = int(os.environ.get("CLICKSTREAM_TEST_LONG_LISTS", "5"))
MOST_WAITING = 500
PARTITIONS = 2
ID = "undefined"

BATCHED = {"linger.ms": 20}

# From the acknowledgement of another session's event to its row, seconds, on a busy machine.
MOST_DELAY = 30.0


@pytest.fixture
def capped(corner: Corner) -> Iterator[Settings]:
    worker = {"max_waiting_per_session": MOST_WAITING, "stall_seconds": 60.0}
    with corner(topics={"partitions": PARTITIONS}, worker=worker) as settings:
        yield settings


def test_a_flood_for_one_unknown_id_is_bounded_and_holds_up_nobody(
    capped: Settings, tmp_path: Path
) -> None:
    posts = Traffic(capped, **BATCHED)
    with clickhouse.connect(capped) as client, Fleet(capped, tmp_path, count=1) as fleet:

        def counted(query: str) -> int:
            return int(client.query(query).first_row[0])

        (worker,) = fleet.workers
        others = []
        for step in range(4):
            for n in range(step * FLOOD // 4, (step + 1) * FLOOD // 4):
                posts.event(ID, f"e{n}")
            others.append(delay_of_another(posts, f"other{step}", counted))
        fleet.catch_up()
        waiting = counted("SELECT uniqExact(event_id) FROM unjoined_events")
        kept = counted("SELECT uniqExact(offset) FROM dead_letters WHERE reason='too_many_waiting'")
        assert MOST_WAITING <= waiting <= MOST_WAITING * 1.1
        assert waiting + kept == FLOOD
        assert counted("SELECT count() FROM dead_letters FINAL") == kept
        assert max(others) < MOST_DELAY, others
        posts.session(ID)
        posts.flush()
        fleet.catch_up()
        assert counted(f"SELECT count() FROM events FINAL WHERE session_id = '{ID}'") == waiting  # noqa: S608 - our own id
        assert worker.exit_status() is None
    print(f"{FLOOD:,} events for one id: others were joined after {others}")


WAIT_ALREADY = """
INSERT INTO unjoined_events (session_id, event_id, object_id, event_type, meta, created_at,
    received_at, kafka_partition, kafka_offset, version)
SELECT {id:String}, toString(number), 'a', 'click', concat('{"u":"', repeat('x', 200), '"}'),
    now64(3), now64(3), 0, number, bitNot(toUInt64(number))
FROM numbers({count:UInt64})
"""
LONG_LISTS = """
INSERT INTO sessions (session_id, search_query, `search_results.object_id`, `search_results.rank`,
    `search_results.meta`, created_at, received_at, session_day, kafka_partition, kafka_offset,
    version)
SELECT concat('long', toString(number)), 'q',
    arrayMap(i -> concat(repeat('x', 490), toString(i)), range(4000)),
    arrayResize(CAST([] AS Array(Nullable(Float64))), 4000),
    arrayResize(CAST([] AS Array(Nullable(String))), 4000),
    now64(3), now64(3), today(), 0, number, bitNot(toUInt64(number))
FROM numbers({count:UInt64})
SETTINGS max_threads = 1, max_block_size = 10, min_insert_block_size_rows = 10,
    min_insert_block_size_bytes = 20000000
"""


def test_many_that_wait_already_and_long_lists_do_not_stop_a_worker(
    capped: Settings, tmp_path: Path
) -> None:
    with clickhouse.connect(capped, answer_seconds=300) as client:
        client.command(LONG_LISTS, {"count": LISTS})
        client.command(WAIT_ALREADY, {"id": ID, "count": WAITED})

        def counted(query: str) -> int:
            return int(client.query(query).first_row[0])

        with Fleet(capped, tmp_path, count=1) as fleet:
            posts = Traffic(capped, **BATCHED)
            began = time.monotonic()
            posts.session(ID)
            for n in range(LISTS):
                posts.event(f"long{n}", "e")
            other = delay_of_another(posts, "other", counted)
            fleet.catch_up()
            # So many are joined in portions, after the flush of their session.
            joined = f"FROM events WHERE session_id = '{ID}'"
            while counted(f"SELECT count() {joined}") < WAITED:
                assert time.monotonic() - began < 20 * MOST_DELAY
                time.sleep(1)
            took = time.monotonic() - began
            # As numbers: of as many strings, the server has not the memory.
            assert counted(f"SELECT uniqExact(toUInt32(event_id)) {joined}") == WAITED
            assert fleet.workers[0].exit_status() is None
        assert counted("SELECT count() FROM events WHERE startsWith(session_id, 'long')") == LISTS
    print(f"{WAITED:,} waited, {LISTS} long lists: {took:.0f} s; another after {other} s")


def delay_of_another(posts: Traffic, session_id: str, counted: Callable[[str], int]) -> float:
    """From the post of a session and its event to the joined row, seconds."""
    posts.session(session_id)
    posts.event(session_id, "e")
    posts.flush()
    began = time.monotonic()
    question = f"SELECT count() FROM events FINAL WHERE session_id = '{session_id}'"  # noqa: S608 - our own id
    while not counted(question):
        assert time.monotonic() - began < 10 * MOST_DELAY
        time.sleep(0.1)
    return round(time.monotonic() - began, 1)
