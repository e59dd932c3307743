"""A running system is found; one that is gone is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clickstream.local.endpoints import (
    Endpoints,
    load_endpoints,
    remove_endpoints,
    with_declared_paths,
    write_endpoints,
)
from core.errors import SetupError
from core.settings import Settings


def endpoints(folder: Path, pid: int) -> Endpoints:
    return Endpoints(
        pid=pid,
        data_dir=str(folder),
        http="http://127.0.0.1:8000",
        docs="http://127.0.0.1:8000/docs",
        kafka="127.0.0.1:20001",
        registry="http://127.0.0.1:20002/apis/ccompat/v7",
        clickhouse="http://127.0.0.1:20003/clickstream",
        workers=("http://127.0.0.1:20004",),
    )


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", "{}", '{"pid": 1}', '{"pid": "x", "started": 1}', "\0"]
)
def test_a_damaged_file_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "endpoints.json").write_text(content)
    with pytest.raises(SetupError, match=r"endpoints\.json is damaged") as caught:
        load_endpoints(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_version_is_one_line(tmp_path: Path) -> None:
    write_endpoints(endpoints(tmp_path, os.getpid()))
    file = tmp_path / "endpoints.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "more": 1}))
    with pytest.raises(SetupError, match="another version"):
        load_endpoints(tmp_path)


def test_the_file_is_for_this_account_alone(tmp_path: Path) -> None:
    write_endpoints(endpoints(tmp_path, os.getpid()))
    assert (tmp_path / "endpoints.json").stat().st_mode & 0o777 == 0o600


def test_nothing_is_found_in_an_empty_folder(tmp_path: Path) -> None:
    assert load_endpoints(tmp_path) is None


def test_running_system_is_found(tmp_path: Path) -> None:
    written = endpoints(tmp_path, os.getpid())
    write_endpoints(written)
    assert load_endpoints(tmp_path) == written


def test_system_that_said_goodbye_is_not_found(tmp_path: Path) -> None:
    write_endpoints(endpoints(tmp_path, os.getpid()))
    remove_endpoints(tmp_path)
    remove_endpoints(tmp_path)
    assert load_endpoints(tmp_path) is None


def test_killed_system_is_not_found(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        write_endpoints(endpoints(tmp_path, process.pid))
        assert load_endpoints(tmp_path) is not None
        process.kill()
    assert load_endpoints(tmp_path) is None


def test_other_process_with_the_same_pid_is_not_taken_for_it(tmp_path: Path) -> None:
    write_endpoints(endpoints(tmp_path, os.getpid()))
    file = tmp_path / "endpoints.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "started": content["started"] - 3600}))
    assert load_endpoints(tmp_path) is None


def test_other_commands_reach_it_by_these_variables(tmp_path: Path) -> None:
    assert endpoints(tmp_path, 1).environment() == {
        "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:20001",
        "CLICKSTREAM_SCHEMA_REGISTRY_URL": "http://127.0.0.1:20002/apis/ccompat/v7",
        "CLICKSTREAM_CLICKHOUSE_URL": "http://127.0.0.1:20003/clickstream",
        "CLICKSTREAM_CLICKHOUSE_CLUSTER": "",
    }


def test_a_local_system_declares_what_its_sample_data_have_unless_others_are_set() -> None:
    usual = with_declared_paths(Settings(_env_file=None))
    assert (usual.dimensions, usual.event_value) == (("search_meta.device",), "meta.amount")
    chosen = Settings(_env_file=None, dimensions=("search_meta.shop",), event_value="meta.price")
    assert with_declared_paths(chosen) == chosen
