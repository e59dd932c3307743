"""One round of an edge benchmark: every server under the same load, then its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from benchmarks import nginx
from benchmarks.cpu import metered, resident_bytes
from benchmarks.edge_servers import EdgeServer, Running, behind_nginx, contenders, running
from benchmarks.lab import Lab
from benchmarks.outcome import OURS, Outcome
from benchmarks.script import Size
from benchmarks.wrk import Driven, Load, drive
from core.kafka.partitioner import partition_of
from core.settings import Settings
from schemas.codec import Decoder
from schemas.contracts import Contract
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics

# Lets connections be made, code paths be taken for the first time, and batches find their size.
_WARM_UP_SECONDS: Final = 2.0
_SECONDS: Final = 10
# A broker that has just started compiles its code as it goes, and whoever came first paid for that:
# 76 µs a request where the same server, later in the run, needed 69. Not measured, by any server.
_BROKER_SECONDS: Final = 15.0
_SAMPLE: Final = 50  # records looked at in every partition


@dataclass(frozen=True, slots=True)
class EdgeRound:
    """A `Round`: the load, and the contract of the one record that each of its requests makes."""

    name: str
    load: Load
    contract: Contract
    through_nginx: bool = False
    """Ask ours and FastAPI through nginx as well, where there is one."""

    def __call__(self, lab: Lab, size: Size) -> Iterator[Outcome]:
        servers = contenders(lab)
        if self.through_nginx:
            servers += behind_nginx(servers)
        with lab.isolated() as settings, running(lab, servers[0], settings) as process:
            drive(process.url, self.load, _BROKER_SECONDS, lab.folder)
        for server in servers:
            with lab.isolated() as settings, running(lab, server, settings) as process:
                yield self._measured(lab, size, server, settings, process)

    def _measured(
        self, lab: Lab, size: Size, server: EdgeServer, settings: Settings, process: Running
    ) -> Outcome:
        warm_up = drive(process.url, self.load, _WARM_UP_SECONDS, lab.folder)
        with metered({"server": process.pid}) as meter:
            driven = drive(process.url, self.load, size.of(_SECONDS), lab.folder)
        if server.stores:
            stored = warm_up.acknowledged + driven.acknowledged
            check_ledger(settings, self.contract, stored)
        if errors := warm_up.errors + driven.errors:
            raise RuntimeError(f"{server.name}: {errors} requests were not answered with 200")
        figures = _figures(driven, meter.cpu["server"], process.pid)
        lacks_nginx = self.through_nginx and server.name == OURS and not nginx.is_installed()
        return Outcome(self.name, server.name, figures, nginx.MISSING if lacks_nginx else "")


def check_ledger(settings: Settings, contract: Contract, acknowledged: int) -> None:
    """The topic holds exactly what was acknowledged, and its records are what workers expect.

    Idempotent producers write no control records, so offsets count records.
    """
    topic = Topics.from_settings(settings).topic_of(contract)
    consumer = Consumer({**settings.kafka_options(), "group.id": "ledger"})
    try:
        partitions = range(settings.topics.partitions)
        ends = [
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
            for number in partitions
        ]
        if sum(ends) != acknowledged:
            raise RuntimeError(f"{acknowledged} records were acknowledged, {sum(ends)} are stored")
        with ConfluentRegistry.from_settings(settings) as registry:
            decoder = Decoder(contract, registry)
            for number in partitions:
                begin = max(0, ends[number] - _SAMPLE)
                consumer.assign([TopicPartition(topic, number, begin)])
                _check_records(consumer, decoder, ends[number] - begin, settings.topics.partitions)
    finally:
        consumer.close()


def _check_records(consumer: Consumer, decoder: Decoder, count: int, partitions: int) -> None:
    for message in consumer.consume(count, timeout=10) if count else ():
        key, value, partition = message.key(), message.value(), message.partition()
        if key is None or value is None:
            raise RuntimeError(f"a record without key or value: {message.error()}")
        session_id = decoder.decode(value)["session_id"]
        if key.decode() != session_id or partition_of(session_id, partitions) != partition:
            raise RuntimeError(f"{session_id} has key {key!r} and is on partition {partition}")
        count -= 1
    if count:
        raise RuntimeError(f"{count} records of a sample could not be read")


def _figures(driven: Driven, cpu_seconds: float, pid: int) -> dict[str, float]:
    return {
        "cpu_us_per_request": cpu_seconds * 1e6 / driven.acknowledged,
        "requests_per_second": driven.acknowledged / driven.seconds,
        "p50_ms": driven.p50_ms,
        "p99_ms": driven.p99_ms,
        "errors": driven.errors,
        "memory_mb": resident_bytes(pid) / 1e6,
    }
