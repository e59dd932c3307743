"""A library in which a private name of ours has changed is refused before anything is read."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import faust
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, Fetcher, OffsetResetStrategy
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy
from faust.assignor.partition_assignor import PartitionAssignor
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from core.errors import SetupError
from core.settings import Settings
from stream_processors.consume import check_libraries, consumer_thread
from stream_processors.consume.check_libraries import check_consumer, check_names
from stream_processors.consume.consumer_thread import BatchConsumerThread
from stream_processors.consume.faust_app import build_app
from stream_processors.consume.faust_transport import BatchConsumer
from stream_processors.consume.fetch_columns import ColumnarResults, ColumnsOfPartition


def test_the_installed_versions_have_every_name() -> None:
    check_names()


def test_a_method_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(AIOKafkaConsumerThread, "_create_worker_consumer")
    with pytest.raises(SetupError, match=r"no AIOKafkaConsumerThread._create_worker_consumer;"):
        check_names()


@pytest.mark.parametrize("name", ["MemoryRecords", "_records"])
def test_a_name_that_the_fetcher_uses_no_more_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def _proc_fetch_request(*_: Any) -> bool:
        return False

    monkeypatch.setattr(Fetcher, "_proc_fetch_request", _proc_fetch_request)
    # The table holds the function; look at the one that is there now.
    uses = [(_proc_fetch_request, [name])]
    monkeypatch.setattr(check_libraries, "_USES", uses)
    with pytest.raises(SetupError, match=f"no {name} in "):
        check_names()


def test_an_attribute_that_is_no_longer_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def __init__(self: Any, isolation: str) -> None:
        self.isolation = isolation

    monkeypatch.setattr(check_libraries, "_USES", [(__init__, ["_isolation_level"])])
    with pytest.raises(SetupError, match="no _isolation_level in "):
        check_names()


def test_the_compiled_parser_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiokafka_fetcher, "MemoryRecords", MemoryRecords)
    if MemoryRecords is _MemoryRecordsPy:
        pytest.skip("aiokafka is installed without its compiled parser")
    with pytest.raises(SetupError, match="does not hand out the bytes"):
        check_names()


def test_records_that_are_read_otherwise_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    unpack = ColumnsOfPartition._unpack_records
    monkeypatch.setattr(
        ColumnsOfPartition,
        "_unpack_records",
        lambda self: (records.since(8) for records in unpack(self)),
    )
    with pytest.raises(SetupError, match="not read as they were written"):
        check_names()


def started(**changes: Any) -> Any:
    """As much of a consumer as is looked at."""
    assignor = PartitionAssignor.__new__(PartitionAssignor)
    state: dict[str, Any] = {
        "_isolation_level": READ_COMMITTED,
        "_fetch_min_bytes": 100,
        "_fetch_max_wait_ms": 25,
        "_default_reset_strategy": OffsetResetStrategy.NONE,
        "_records": ColumnarResults(),
    }
    assignors = changes.pop("assignors", [assignor])
    return SimpleNamespace(
        _fetcher=SimpleNamespace(**(state | changes)),
        _coordinator=SimpleNamespace(_assignors=assignors),
    )


def test_a_consumer_that_does_as_it_was_told_is_taken() -> None:
    check_consumer(started(), 100, 25)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"_isolation_level": READ_UNCOMMITTED}, "reads records that were never committed"),
        ({"_fetch_min_bytes": 1}, "ignores the least bytes"),
        ({"_fetch_max_wait_ms": 500}, "ignores the longest wait"),
        ({"_default_reset_strategy": OffsetResetStrategy.EARLIEST}, "without a word"),
        ({"_records": {}}, "hands out records one by one"),
        ({"assignors": [RoundRobinPartitionAssignor]}, "separates the partitions"),
    ],
)
def test_a_setting_without_effect_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(SetupError, match=what):
        check_consumer(started(**changes), 100, 25)


async def started_as_in_a_worker(app: faust.App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust's and aiokafka's own code, but for what asks a broker."""

    async def nothing(*_: Any) -> None: ...

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", nothing)
    monkeypatch.setattr(AIOKafkaConsumer, "_wait_topics", nothing)
    thread = cast(BatchConsumerThread, cast(BatchConsumer, app.consumer)._thread)
    thread.thread_loop.close()
    thread.thread_loop = asyncio.get_running_loop()
    try:
        await thread.on_start()
    finally:
        await thread._ensure_consumer().stop()


def start(monkeypatch: pytest.MonkeyPatch, standby_replicas: int | None = None) -> None:
    async def go() -> None:
        app = build_app(Settings(), nobody)
        if standby_replicas is not None:
            app.conf.table_standby_replicas = standby_replicas
        await started_as_in_a_worker(app, monkeypatch)

    asyncio.run(go())


async def nobody(_: object) -> None:
    """Takes batches."""


def test_a_workers_consumer_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    start(monkeypatch)


def test_a_consumer_as_faust_makes_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stock = AIOKafkaConsumerThread._create_worker_consumer
    monkeypatch.setattr(BatchConsumerThread, "_create_worker_consumer", stock)
    with pytest.raises(SetupError, match="never committed and ignores the least bytes") as refused:
        start(monkeypatch)
    assert "ignores the longest wait" in str(refused.value)


def test_aiokafkas_assignor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match="separates the partitions"):
        start(monkeypatch, standby_replicas=0)


def test_a_fetcher_that_keeps_its_own_buffer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_thread, "deliver_columns", lambda *_: None)
    with pytest.raises(SetupError, match="one by one"):
        start(monkeypatch)
