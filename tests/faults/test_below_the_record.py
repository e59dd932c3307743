"""What Kafka itself holds back, gives up or cannot deliver, on real engines with several workers.

A batch that nobody can read, a transaction that is left open, records that retention deleted
unread: no worker ends, and everything else is stored.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from clickstream.local.up.app_services import PYTHON_MODULE
from clickstream.operations.dead_letters.dead_letter import Selection, State
from clickstream.operations.dead_letters.store import DeadLetterStore
from core import clickhouse
from core.clock import SystemClock
from core.kafka.partitioner import partition_of
from schemas.contracts import EVENT
from schemas.dead_letters import Reason
from schemas.topics import Topics
from tests.clickstream.operations.replay.traffic import Traffic, now_ms
from tests.conftest import Corner
from tests.e2e.process_pair import environment_of
from tests.faults.lab.plan import seconds, times
from tests.raw_batches import (
    larger_than_memory,
    with_a_header_that_is_no_text,
    write_batches,
)
from tests.stream_processors.fleet import Fleet
from tests.stream_processors.records import event

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

PARTITIONS = 4
POISONED = 1
STALL_SECONDS = 6.0
POISONED_BATCHES = times(60, short=6)
# Long enough that a watchdog which took the open transaction for a stall would end the worker.
OPEN_SECONDS = seconds(2.0, short_seconds=STALL_SECONDS + 3)


class Posts(Traffic):
    """As an edge posts: when a call returns, Kafka has the record."""

    def raw(self, *args: Any, **options: Any) -> None:
        super().raw(*args, **options)
        self.flush()

    def encoded(self, session_id: str, event_id: str) -> tuple[bytes, bytes]:
        """Key and value of an event."""
        record = event(session_id, event_id, created_at=now_ms(), received_at=now_ms())
        return session_id.encode(), self.encoder(EVENT).encode(record)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open until the block ends; then it is taken back."""
        self._producer.init_transactions(30)
        self._producer.begin_transaction()
        yield
        self._producer.abort_transaction(30)


@pytest.fixture
def several(corner: Corner) -> Iterator[Settings]:
    topics, worker = {"partitions": PARTITIONS}, {"stall_seconds": STALL_SECONDS}
    with corner(topics=topics, worker=worker) as settings:
        yield settings


def ids_by_partition() -> dict[int, str]:
    """One session id for each partition."""
    return {partition_of(f"s{n}", PARTITIONS): f"s{n}" for n in range(50)}


def stored_events(settings: Settings) -> list[tuple[str, ...]]:
    """In their order; one that is stored twice, under two days, is here twice."""
    with clickhouse.connect(settings) as client:
        rows = client.query("SELECT session_id, event_id FROM events FINAL").result_rows
    return sorted(tuple(row) for row in rows)


def stored_sessions(settings: Settings) -> list[str]:
    with clickhouse.connect(settings) as client:
        rows = client.query("SELECT session_id FROM sessions FINAL").result_rows
    return sorted(row[0] for row in rows)


def test_batches_that_nobody_can_read_end_no_worker_and_lose_nothing(
    several: Settings, tmp_path: Path
) -> None:
    topic = Topics.from_settings(several).events
    posts, ids = Posts(several), ids_by_partition()
    for session_id in ids.values():
        posts.session(session_id)
    expected = set()
    with Fleet(several, tmp_path, count=3) as fleet:
        workers = [worker.pid for worker in fleet.workers]
        for n in range(POISONED_BATCHES):
            odd = posts.encoded(ids[POISONED], f"odd{n}")
            poison = with_a_header_that_is_no_text(*odd), larger_than_memory()
            asyncio.run(write_batches(several, topic, *poison, partition=POISONED))
            expected.add((ids[POISONED], f"odd{n}"))
            for session_id in ids.values():
                posts.event(session_id, f"e{n}")
                expected.add((session_id, f"e{n}"))
        fleet.catch_up()
        assert [worker.pid for worker in fleet.workers] == workers
        assert [worker.exit_status() for worker in fleet.workers] == [None] * 3
    assert stored_events(several) == sorted(expected)
    assert stored_sessions(several) == sorted(ids.values())
    with DeadLetterStore(several, SystemClock()) as store:
        letters = store.summaries(Selection(states=tuple(State)))
    assert [letter.reason for letter in letters] == [Reason.UNDECODABLE_BATCH] * POISONED_BATCHES
    first = min(letter.id.offset for letter in letters)
    assert f"records {first} to {first + 1}" in next(
        letter.error for letter in letters if letter.id.offset == first
    )


def test_an_open_transaction_ends_no_worker_and_readyz_names_it(
    several: Settings, tmp_path: Path
) -> None:
    posts, ids = Posts(several), ids_by_partition()
    name = f"{several.topics.prefix}open"
    held = Posts(several, **{"transactional.id": name, "transaction.timeout.ms": 300_000})
    posts.session(ids[0])
    with Fleet(several, tmp_path, count=times(3, short=1)) as fleet:
        posts.event(ids[0], "before")
        fleet.catch_up()
        with held.transaction():
            held.event(ids[0], "taken back")
            posts.event(ids[0], "behind it")
            time.sleep(OPEN_SECONDS)
            assert not fleet.revive(), "workers have ended"
            said = [httpx.get(f"{worker.url}/readyz").text for worker in fleet.workers]
            assert any("wait for the end of a transaction" in text for text in said)
            assert stored_events(several) == [(ids[0], "before")]
        # Kafka answers before it has written the end of the transaction: until then nothing lags.
        expected = [(ids[0], "before"), (ids[0], "behind it")]
        wait = retry(
            retry=retry_if_result(lambda stored: stored != expected),
            stop=stop_after_delay(60), wait=wait_fixed(0.5),
        )  # fmt: skip
        wait(stored_events)(several)
        assert not fleet.revive(), "workers have ended"
    assert stored_sessions(several) == [ids[0]]


def test_records_that_retention_deleted_unread_are_counted_and_the_worker_goes_on(
    several: Settings, tmp_path: Path
) -> None:
    topic = Topics.from_settings(several).events
    posts, ids = Posts(several), ids_by_partition()
    posts.session(ids[0])
    posts.event(ids[0], "read")
    with Fleet(several, tmp_path, count=1) as fleet:
        fleet.catch_up()
        fleet.scale(0)
        for n in range(5):
            posts.event(ids[0], f"lost{n}")
        admin = AdminClient(dict(several.kafka_options()))
        for future in admin.delete_records([TopicPartition(topic, 0, 6)]).values():
            future.result(30)
        posts.event(ids[0], "after")
        fleet.scale(1)
        fleet.catch_up()
        (worker,) = fleet.workers
        metrics = httpx.get(f"{worker.url}/metrics").text
        assert worker.exit_status() is None
    assert f'clickstream_worker_lost_total{{topic="{topic}"}} 5.0' in metrics
    assert stored_events(several) == [(ids[0], "after"), (ids[0], "read")]


def refusal(settings: Settings, partitions: int) -> str:
    """What a worker says that refuses to run with this count."""
    variables = {
        **os.environ,
        **environment_of(settings),
        "CLICKSTREAM_TOPICS__PARTITIONS": str(partitions),
    }
    ended = subprocess.run(
        [*PYTHON_MODULE, "worker"],
        env=variables, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    return ended.stdout + ended.stderr


def test_workers_with_another_partition_count_reject_no_record(
    several: Settings, tmp_path: Path
) -> None:
    posts = Posts(several)
    ids = [f"s{n}" for n in range(20)]
    for session_id in ids:
        posts.session(session_id)
        posts.event(session_id, "e")
    with ThreadPoolExecutor() as side_by_side:
        for said in side_by_side.map(
            lambda partitions: refusal(several, partitions), (PARTITIONS - 1, PARTITIONS + 4)
        ):
            assert f"CLICKSTREAM_TOPICS__PARTITIONS={PARTITIONS}" in said
    with Fleet(several, tmp_path, count=1) as fleet:
        fleet.catch_up()
    assert stored_sessions(several) == sorted(ids)
    assert stored_events(several) == sorted((session_id, "e") for session_id in ids)
    with DeadLetterStore(several, SystemClock()) as store:
        assert store.summaries(Selection(states=tuple(State))) == []
