"""Which system the doctor checks."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import clickstream.commands
from clickstream.local.data_directory import default_data_directory
from clickstream.local.endpoints import Endpoints, write_endpoints
from clickstream.local.target_settings import operator_settings
from clickstream.operations.doctor.discovery import discover
from core.errors import SetupError


def running_up(folder: Path) -> Endpoints:
    """What `up` would have written, with this process in its place."""
    endpoints = Endpoints(
        pid=os.getpid(),
        data_dir=str(folder),
        http="http://127.0.0.1:8123",
        docs="http://127.0.0.1:8123/docs",
        kafka="127.0.0.1:19999",
        registry="http://127.0.0.1:18081",
        clickhouse="http://127.0.0.1:18123/clickstream",
        workers=(),
    )
    write_endpoints(endpoints)
    return endpoints


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings from outside, and a default folder of the test's own."""
    for name in list(os.environ):
        if name.startswith("CLICKSTREAM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))  # where macOS looks


def test_a_running_up_is_found_in_the_folder_given(tmp_path: Path) -> None:
    endpoints = running_up(tmp_path)
    system = discover(tmp_path)
    assert system.settings.kafka_bootstrap_servers == endpoints.kafka
    assert (system.http_url, system.http_expected) == (endpoints.http, True)


def test_a_folder_without_a_running_up_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no `clickstream up` is running"):
        discover(tmp_path)


def test_servers_set_explicitly_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS", "kafka-1:9092")
    monkeypatch.setenv("CLICKSTREAM_HTTP__HOST", "0.0.0.0")  # noqa: S104 - not bound
    system = discover()
    assert system.settings.kafka_bootstrap_servers == "kafka-1:9092"
    assert (system.http_url, system.http_expected) == ("http://127.0.0.1:8000", False)


def test_servers_set_explicitly_come_before_a_running_up(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = default_data_directory()
    folder.mkdir(parents=True)
    endpoints = running_up(folder)
    assert discover().settings.kafka_bootstrap_servers == endpoints.kafka
    monkeypatch.setenv("CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS", "kafka-1:9092")
    assert discover().settings.kafka_bootstrap_servers == "kafka-1:9092"


def test_every_operators_command_finds_the_same_system(monkeypatch: pytest.MonkeyPatch) -> None:
    assert operator_settings().kafka_bootstrap_servers == "127.0.0.1:9092"
    folder = default_data_directory()
    folder.mkdir(parents=True)
    endpoints = running_up(folder)
    found = operator_settings()
    assert found.kafka_bootstrap_servers == endpoints.kafka
    assert found.clickhouse_url.get_secret_value() == endpoints.clickhouse
    # One server that is set is enough: what is done must not be done to another system's tables.
    monkeypatch.setenv("CLICKSTREAM_SCHEMA_REGISTRY_URL", "http://registry:8081")
    assert operator_settings().kafka_bootstrap_servers == "127.0.0.1:9092"


def test_no_command_of_an_operator_reads_the_servers_by_itself() -> None:
    # `main.py` checks the names of Kafka's options.
    no_server = {"main.py", "bench.py", "grants.py", "keys.py"}
    alone = re.compile(r"(?<!\w)Settings\(\)")
    files = Path(clickstream.commands.__file__).parent.glob("*.py")
    assert {file.name for file in files if alone.search(file.read_text())} <= no_server


def test_without_anything_the_defaults_are_checked() -> None:
    assert discover().settings.kafka_bootstrap_servers == "127.0.0.1:9092"


def test_another_http_address_is_not_taken_for_that_of_up(tmp_path: Path) -> None:
    running_up(tmp_path)
    system = discover(tmp_path, "http://127.0.0.1:9999")
    assert (system.http_url, system.http_expected) == ("http://127.0.0.1:9999", False)
