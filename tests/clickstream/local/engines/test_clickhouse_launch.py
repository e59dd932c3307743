"""How ClickHouse is configured and launched."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from clickstream.local.engines import clickhouse
from clickstream.local.engines.downloads import Installed
from clickstream.local.processes.service import ServiceSpec

PASSWORDS = {name: f"secret of {name}" for name in clickhouse.USERS}


def launch(folder: Path, installed: Installed, tcp_port: int | None = None) -> ServiceSpec:
    log = folder / "log"
    return clickhouse.prepare(
        folder, log, installed, port=20_001, tcp_port=tcp_port, passwords=PASSWORDS
    )


def users(folder: Path) -> ElementTree.Element:
    return ElementTree.parse(folder / "users.xml").getroot()  # noqa: S314  (written by us just now)


@pytest.fixture
def library(tmp_path: Path) -> Installed:
    return Installed(tmp_path, tmp_path, clickhouse_library=tmp_path / "libchdb.so")


def test_library_runs_in_a_python_child(tmp_path: Path, library: Installed) -> None:
    argv = launch(tmp_path, library).command.argv
    assert list(argv[1:4]) == [
        "-m",
        "clickstream.local.engines.chdb_server",
        str(tmp_path / "libchdb.so"),
    ]


def test_binary_runs_as_a_server_on_the_same_configuration(tmp_path: Path) -> None:
    installed = Installed(tmp_path, tmp_path, clickhouse_binary=Path("/opt/clickhouse"))
    argv = launch(tmp_path, installed).command.argv
    assert list(argv) == [
        "/opt/clickhouse",
        "server",
        f"--config-file={tmp_path / 'config.xml'}",
    ]


def test_server_listens_on_loopback_only(tmp_path: Path, library: Installed) -> None:
    launch(tmp_path, library)
    config = ElementTree.parse(tmp_path / "config.xml").getroot()  # noqa: S314  (ours)
    assert [host.text for host in config.findall("listen_host")] == ["127.0.0.1"]
    assert config.findtext("http_port") == "20001"
    assert config.find("tcp_port") is None


def test_the_native_protocol_is_served_only_when_asked_for(
    tmp_path: Path, library: Installed
) -> None:
    assert "20002" not in launch(tmp_path, library).command.argv
    assert launch(tmp_path, library, 20_002).command.argv[-1] == "20002"
    config = ElementTree.parse(tmp_path / "config.xml").getroot()  # noqa: S314  (ours)
    assert config.findtext("tcp_port") == "20002"


def test_nobody_gets_in_without_a_password(tmp_path: Path, library: Installed) -> None:
    argv = launch(tmp_path, library).command.argv
    for name in clickhouse.USERS:
        assert users(tmp_path).find(f"users/{name}/password") is None
        assert len(users(tmp_path).findtext(f"users/{name}/password_sha256_hex") or "") == 64
    written = (tmp_path / "users.xml").read_text() + (tmp_path / "config.xml").read_text()
    assert not [word for word in PASSWORDS.values() if word in written or word in " ".join(argv)]


def test_the_library_user_has_few_queries_and_a_binary_has_no_such_user(
    tmp_path: Path, library: Installed
) -> None:
    launch(tmp_path, library)
    assert users(tmp_path).findtext("users/default/quota") == "once"
    assert users(tmp_path).findtext("quotas/once/interval/queries") == "3"
    assert users(tmp_path).find("users/default/grants") is not None
    launch(tmp_path, Installed(tmp_path, tmp_path, clickhouse_binary=Path("/opt/clickhouse")))
    assert users(tmp_path).find("users/default") is None


@pytest.mark.parametrize("profile", ["default", "readonly"])
def test_every_profile_reads_each_row_once(
    tmp_path: Path, library: Installed, profile: str
) -> None:
    launch(tmp_path, library)
    assert users(tmp_path).findtext(f"profiles/{profile}/final") == "1"
    pinned = f"profiles/{profile}/do_not_merge_across_partitions_select_final"
    assert users(tmp_path).findtext(pinned) == "1"


def test_analyst_may_only_read(tmp_path: Path, library: Installed) -> None:
    launch(tmp_path, library)
    assert users(tmp_path).findtext("users/analyst/profile") == "readonly"
    assert users(tmp_path).findtext("profiles/readonly/readonly") == "2"


def test_users_come_from_loopback_only(tmp_path: Path, library: Installed) -> None:
    launch(tmp_path, library)
    addresses = {ip.text for ip in users(tmp_path).findall("users/*/networks/ip")}
    assert addresses == {"127.0.0.1"}
