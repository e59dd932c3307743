"""docker-compose.yml holds together: valid, wired, pinned, closed to the outside."""

from __future__ import annotations

import re
import shutil
import sys
from typing import Any

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
REQUIRED = {
    "CLICKSTREAM_WRITE_KEYS": "w",
    "CLICKSTREAM_READ_KEYS": "r",
    "CLICKSTREAM_CLICKHOUSE_PASSWORD": "p",
}


def validation() -> list[str]:
    """Docker's own word where its compose plugin is there, else the specification's schema."""
    docker = shutil.which("docker")
    if docker and run(docker, "compose", "version").returncode == 0:
        return [docker, "compose", "--file", str(FILE), "config", "--quiet"]
    schema = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return [sys.executable, *schema, str(FILE)]


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
    assert {
        SERVICES[n]["image"] for n in ("kafka", "registry", "clickhouse")
    } == tested_in_containers


@pytest.mark.parametrize("name", ["kafka", "clickhouse"])
def test_what_must_survive_is_on_a_volume(name: str) -> None:
    volumes = [mount.split(":")[0] for mount in SERVICES[name]["volumes"]]
    assert set(volumes) <= set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "setup"])
def test_every_server_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_the_commands_exist() -> None:
    started = [SERVICES[name]["command"] for name in ("edge", "api", "worker")]
    prepared = [line.split()[1:] for line in SERVICES["setup"]["command"][0].split(";")]
    for command in (*started, *prepared):
        assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0
