"""The local servers keep their data, and leave nothing behind."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from clickstream.local.engines.local_servers import LocalServers, run_local_servers
from core.errors import EngineError
from tests.shared_engines import SharedEngines

pytestmark = pytest.mark.engines

TOPIC = "kept"

Servers: TypeAlias = LocalServers | SharedEngines


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all of this file: formatting Kafka's storage takes its time."""
    return tmp_path_factory.mktemp("embedded")


@dataclass(frozen=True)
class Written:
    """What was put into all three; `number` tells one occasion from another."""

    number: int
    offset: int
    schema_id: int


def write_everywhere(engines: Servers, number: int) -> Written:
    """Acknowledged by all three when this returns; the schema a moment ago."""
    table = "CREATE TABLE IF NOT EXISTS kept (a UInt32) ENGINE = MergeTree ORDER BY a"
    sql(engines, table).raise_for_status()
    sql(engines, "INSERT INTO kept VALUES ({number:UInt32})", number=number).raise_for_status()
    return Written(number, produce(engines, number), register(engines, number))


def assert_kept(engines: Servers, written: Written) -> None:
    assert consume(engines, written.offset) == str(written.number).encode()
    counted = "SELECT count() FROM kept WHERE a = {number:UInt32}"
    assert sql(engines, counted, number=written.number).text == "1\n"
    url = f"{engines.schema_registry_url}/schemas/ids/{written.schema_id}"
    assert f"kept{written.number}" in httpx.get(url, timeout=20).json()["schema"]
    assert register(engines, written.number) == written.schema_id


def produce(engines: Servers, number: int) -> int:
    """Returns the record's offset."""
    admin = AdminClient({"bootstrap.servers": engines.kafka_bootstrap_servers})
    if TOPIC not in admin.list_topics(timeout=20).topics:
        admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(20)
    offsets: list[int | None] = []
    producer = Producer({"bootstrap.servers": engines.kafka_bootstrap_servers})
    producer.produce(
        TOPIC, str(number), on_delivery=lambda _, message: offsets.append(message.offset())
    )
    assert producer.flush(20) == 0
    (offset,) = offsets
    assert offset is not None
    return offset


def consume(engines: Servers, offset: int) -> bytes | None:
    consumer = Consumer(
        {"bootstrap.servers": engines.kafka_bootstrap_servers, "group.id": uuid.uuid4().hex}
    )
    try:
        consumer.assign([TopicPartition(TOPIC, 0, offset)])
        message = consumer.poll(20)
        return None if message is None else message.value()
    finally:
        consumer.close()


def register(engines: Servers, number: int) -> int:
    """Returns the schema's id; the same schema has the same one."""
    url = f"{engines.schema_registry_url}/subjects/kept{number}-value/versions"
    schema = {"type": "record", "name": f"kept{number}", "fields": []}
    answer = httpx.post(url, json={"schema": json.dumps(schema)}, timeout=20).raise_for_status()
    return int(answer.json()["id"])


def sql(engines: Servers, query: str, user: str = "owner", **bound: int) -> httpx.Response:
    parameters: dict[str, str | int] = {f"param_{name}": value for name, value in bound.items()}
    url = engines.clickhouse_url_of(user, "")
    return httpx.post(url, params=parameters, content=query, timeout=20)


@dataclass(frozen=True)
class Holder:
    """Another process that runs the servers on `data_dir`; their pids, where they are, and what
    they were given."""

    process: subprocess.Popen[str]
    pids: list[int]
    engines: SharedEngines
    written: Written


@pytest.fixture(scope="module")
def holder(data_dir: Path) -> Iterator[Holder]:
    """A test kills it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.clickstream.local.engines.holder", str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout as output:
        try:
            said = json.loads(output.readline())
            engines = SharedEngines(**said["engines"])
            yield Holder(process, said["pids"], engines, write_everywhere(engines, 1))
        finally:
            process.kill()


@pytest.fixture(scope="module")
def again(data_dir: Path, holder: Holder) -> Iterator[LocalServers]:
    """On the same folder, after it was killed; a test kills and restarts them."""
    holder.process.kill()
    holder.process.wait()
    with run_local_servers(data_dir) as engines:
        yield engines


def test_second_start_on_the_same_folder_is_refused(data_dir: Path, holder: Holder) -> None:
    with (
        pytest.raises(EngineError, match=f"in use by process {holder.process.pid}"),
        run_local_servers(data_dir),
    ):
        pytest.fail("started")


def test_kill_of_the_parent_ends_all_engines(holder: Holder) -> None:
    running = [psutil.Process(pid) for pid in holder.pids]
    assert len(running) == 3
    holder.process.kill()
    _, alive = psutil.wait_procs(running, timeout=30)
    assert alive == []


def test_engine_that_cannot_start_is_reported_with_its_log(data_dir: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(EngineError, match=r"(?s)kafka ended with .*kafka\.log and ends\n.*in use"),
        run_local_servers(data_dir, ports={"kafka": other.getsockname()[1]}),
    ):
        pytest.fail("started")


def test_data_and_addresses_survive_the_kill_of_a_parent(
    holder: Holder, again: LocalServers
) -> None:
    before = holder.engines
    assert [engine.url for engine in again.all] == [
        before.kafka_bootstrap_servers,
        before.schema_registry_url,
        before.clickhouse_url,
    ]
    assert_kept(again, holder.written)


def test_data_survives_a_kill_of_the_servers(holder: Holder, again: LocalServers) -> None:
    second = write_everywhere(again, 2)
    again.registry.kill()  # first, before it could write what it holds back
    again.kafka.kill()
    again.clickhouse.kill()
    again.spawn()
    again.wait()
    assert_kept(again, holder.written)
    assert_kept(again, second)


def test_neither_a_page_nor_another_account_can_do_anything(engines: SharedEngines) -> None:
    port = urlsplit(engines.clickhouse_url).port
    statements = (
        "SHOW DATABASES",
        "DROP DATABASE IF EXISTS clickstream",
        "CREATE DATABASE theirs",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT count() FROM numbers(10)",
        "SELECT * FROM system.users",
        "SYSTEM STOP LISTEN HTTP",
        "SYSTEM SHUTDOWN",
    )
    for user, statement in itertools.product(("", "default", *engines.passwords), statements):
        answer = httpx.post(
            f"http://127.0.0.1:{port}/",
            params={"user": user} if user else {},
            content=statement,
            headers={"Origin": "https://evil.example", "Content-Type": "text/plain"},
            timeout=20,
        )
        assert not answer.is_success, (user, statement)


def test_analyst_reads_but_cannot_write(engines: SharedEngines) -> None:
    assert sql(engines, "SELECT 1", user="analyst").text == "1\n"
    refused = sql(engines, "CREATE TABLE x (a Int8) ENGINE = Memory", user="analyst")
    assert refused.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert "ACCESS_DENIED" in refused.text


def test_plain_select_counts_a_redelivered_row_once(engines: SharedEngines) -> None:
    table = "CREATE TABLE once (a UInt8) ENGINE = ReplacingMergeTree ORDER BY a"
    sql(engines, table).raise_for_status()
    try:
        sql(engines, "SYSTEM STOP MERGES once").raise_for_status()
        for _ in range(2):
            sql(engines, "INSERT INTO once VALUES (1)").raise_for_status()
        assert sql(engines, "SELECT count() FROM once").text == "1\n"
    finally:
        sql(engines, "DROP TABLE once SYNC").raise_for_status()
