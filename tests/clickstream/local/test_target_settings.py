"""Which servers a command works on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clickstream.local import target_settings
from clickstream.local.endpoints import Endpoints, write_endpoints
from clickstream.local.target_settings import process_settings, settings_to_change
from core.errors import SetupError

SERVERS = {
    "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "CLICKSTREAM_SCHEMA_REGISTRY_URL": "http://registry:8081",
    "CLICKSTREAM_CLICKHOUSE_URL": "http://me:secret@clickhouse:8123/shop",
}


@pytest.fixture(autouse=True)
def up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Endpoints:
    """A `clickstream up` that runs on the default directory."""
    for name in SERVERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(target_settings, "default_data_directory", lambda: tmp_path)
    running = Endpoints(
        pid=os.getpid(),
        data_dir=str(tmp_path),
        http="http://127.0.0.1:1",
        docs="",
        kafka="127.0.0.1:2",
        registry="http://127.0.0.1:3",
        clickhouse="http://owner:p@127.0.0.1:4/clickstream",
        workers=(),
    )
    write_endpoints(running)
    return running


@pytest.mark.parametrize("left_out", SERVERS)
def test_a_change_needs_all_three_servers_or_none(
    monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    for name, value in SERVERS.items():
        if name != left_out:
            monkeypatch.setenv(name, value)
    with pytest.raises(SetupError, match=f"{left_out} not set"):
        settings_to_change()


def test_the_target_is_told_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in SERVERS.items():
        monkeypatch.setenv(name, value)
    settings_to_change()
    assert capsys.readouterr().err == "target: Kafka kafka:9092, ClickHouse clickhouse:8123/shop\n"


def test_a_process_beside_a_running_system_finds_it_and_says_so(
    up: Endpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    assert process_settings().kafka_bootstrap_servers == up.kafka
    assert up.data_dir in capsys.readouterr().err


def test_a_process_takes_the_servers_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    assert process_settings().kafka_bootstrap_servers == "kafka:9092"
