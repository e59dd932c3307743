"""docker-compose.yml holds together: valid, wired, pinned, closed to the outside."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from typer.testing import CliRunner

from clickstream.commands.main import app
from clickstream.local.engines.lockfile import read_lock
from tests.containers import CLICKHOUSE_IMAGE, KAFKA_IMAGE, REGISTRY_IMAGE
from tests.deploy.shell import ROOT, run

FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("setup", "edge", "api", "worker")
CLUSTER_FILES = ROOT / "deploy/clickhouse-cluster"
CLUSTER = (*("keeper", "clickhouse-1-1", "clickhouse-1-2", "clickhouse-2-1", "clickhouse-2-2"),)
REQUIRED = {
    "CLICKSTREAM_WRITE_KEYS": "w",
    "CLICKSTREAM_READ_KEYS": "r",
    "CLICKSTREAM_CLICKHOUSE_PASSWORD": "p",
}


def validation(file: Path = FILE) -> list[str]:
    """Docker's own word where its compose plugin is there, else the specification's schema."""
    docker = shutil.which("docker")
    if docker and run(docker, "compose", "version").returncode == 0:
        command = [docker, "compose", "--profile", "cluster", "--file", str(file)]
        return [*command, "config", "--quiet"]
    schema = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return [sys.executable, *schema, str(file)]


def test_it_is_a_valid_compose_file() -> None:
    done = run(*validation(), env=REQUIRED)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_what_it_depends_on_is_there_and_can_become_so(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[needed]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[needed]["restart"] == "no"


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    known = set(
        re.findall(r"^\| `(CLICKSTREAM_\w+)`", (ROOT / "docs/settings.md").read_text(), re.M)
    )
    assert set(SERVICES[name]["environment"]) <= known


@pytest.mark.parametrize("name", ["edge", "api"])
def test_who_listens_beyond_loopback_has_keys(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert environment["CLICKSTREAM_HTTP__HOST"] == "0.0.0.0"  # noqa: S104 - compared, not bound
    assert environment["CLICKSTREAM_WRITE_KEYS"].startswith("${CLICKSTREAM_WRITE_KEYS:?")
    assert environment["CLICKSTREAM_READ_KEYS"].startswith("${CLICKSTREAM_READ_KEYS:?")


def test_what_must_be_set_is_what_the_head_of_the_file_names() -> None:
    text = FILE.read_text("utf-8")
    assert set(re.findall(r"\$\{(\w+):\?", text)) == set(REQUIRED)
    head = text.split("name: clickstream")[0]
    assert all(name in head for name in REQUIRED)


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    _, _, tag = SERVICES[name]["image"].rpartition(":")
    assert re.match(r"\d", tag)


def test_servers_are_of_the_versions_that_the_tests_run_on() -> None:
    lock = read_lock()
    assert SERVICES["kafka"]["image"].endswith(f":{lock.kafka_version}")
    assert SERVICES["registry"]["image"].endswith(f":{lock.registry_version}")
    tested_in_containers = {KAFKA_IMAGE, REGISTRY_IMAGE, CLICKHOUSE_IMAGE}
    _, _, version = CLICKHOUSE_IMAGE.partition(":")
    assert all(SERVICES[name]["image"].endswith(f":{version}") for name in CLUSTER)
    assert {
        SERVICES[n]["image"] for n in ("kafka", "registry", "clickhouse")
    } == tested_in_containers


@pytest.mark.parametrize("name", ["kafka", "clickhouse", *CLUSTER])
def test_what_must_survive_is_on_a_volume(name: str) -> None:
    sources = [mount.split(":")[0] for mount in SERVICES[name]["volumes"]]
    volumes = [source for source in sources if not source.startswith("./")]
    assert len(volumes) == 1
    assert set(volumes) <= set(COMPOSE["volumes"])
    assert all((ROOT / source).is_file() for source in sources if source.startswith("./"))


def test_a_broken_compose_file_is_noticed(tmp_path: Path) -> None:
    broken = {**COMPOSE, "services": {**SERVICES, "edge": {**SERVICES["edge"], "port": [8000]}}}
    file = tmp_path / "docker-compose.yml"
    file.write_text(yaml.safe_dump(broken), "utf-8")
    assert run(*validation(file), env=REQUIRED).returncode != 0


def configuration(name: str) -> ElementTree.Element:
    return ElementTree.parse(CLUSTER_FILES / name).getroot()  # noqa: S314 - our own file


def test_the_cluster_is_what_its_configuration_says() -> None:
    """Two shards of two replicas, each server with a place of its own, and Keeper where it is."""
    cluster = configuration("cluster.xml")
    shards = cluster.findall("remote_servers/clickstream/shard")
    hosts = [[host.text for host in shard.findall("replica/host")] for shard in shards]
    nodes = {
        name: (SERVICES[name]["environment"]["SHARD"], SERVICES[name]["environment"]["REPLICA"])
        for name in CLUSTER
        if name != "keeper"
    }
    assert {
        host: (str(shard), str(replica))
        for shard, names in enumerate(hosts, 1)
        for replica, host in enumerate(names, 1)
    } == nodes
    assert len(set(nodes.values())) == 4
    assert all(SERVICES[name]["hostname"] == name for name in nodes)
    assert all(each.text == "true" for each in cluster.iter("internal_replication"))
    keeper = configuration("keeper.xml")
    assert cluster.findtext("zookeeper/node/host") == "keeper"
    assert cluster.findtext("zookeeper/node/port") == keeper.findtext("keeper_server/tcp_port")


def test_every_variable_of_the_configuration_is_set() -> None:
    cluster = configuration("cluster.xml")
    named = {each.attrib["from_env"] for each in cluster.iter() if "from_env" in each.attrib}
    for name in CLUSTER:
        if name != "keeper":
            # HOSTNAME is every container's own.
            assert named - {"HOSTNAME"} <= set(SERVICES[name]["environment"])


def test_the_head_of_the_file_names_the_cluster_as_its_configuration_does() -> None:
    (cluster,) = configuration("cluster.xml").findall("remote_servers/*")
    assert f"CLICKSTREAM_CLICKHOUSE_CLUSTER={cluster.tag}\n" in FILE.read_text("utf-8")


def test_only_the_cluster_needs_its_profile_and_nothing_else_depends_on_it() -> None:
    assert {name for name in SERVICES if "profiles" in SERVICES[name]} == set(CLUSTER)
    for name in SERVICES.keys() - set(CLUSTER):
        assert not set(CLUSTER) & set(SERVICES[name].get("depends_on", {}))


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "setup"])
def test_every_server_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_the_commands_exist() -> None:
    started = [SERVICES[name]["command"] for name in ("edge", "api", "worker")]
    prepared = [line.split()[1:] for line in SERVICES["setup"]["command"][0].split(";")]
    for command in (*started, *prepared):
        assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0
