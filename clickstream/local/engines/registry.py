"""Apicurio registry, which speaks the Confluent schema registry's API, on loopback."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from clickstream.local.engines.java import java
from clickstream.local.processes.ports import LOOPBACK
from clickstream.local.processes.process_manager import Command
from clickstream.local.processes.service import ServiceSpec
from core.health_probe import http_get

API_PATH = "/apis/ccompat/v7"  # the Confluent schema registry's API

_HEAP_MB = 256
_PROBE_SECONDS = 1.0
_STOP_SECONDS = 10.0


def prepare(folder: Path, log: Path, program: Path, port: int, management_port: int) -> ServiceSpec:
    """The launch of a registry that keeps its schemas, and their ids, in `folder`."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    options = {
        "quarkus.http.host": LOOPBACK,
        "quarkus.http.port": port,
        "quarkus.management.host": LOOPBACK,
        "quarkus.management.port": management_port,
        # WRITE_DELAY=0: an id that was handed out is on disk. Records in Kafka carry it for ever,
        # and H2's default would let a kill take back the last half second.
        "apicurio.datasource.url": f"jdbc:h2:file:{folder / 'registry'};WRITE_DELAY=0",
        "apicurio.datasource.jdbc.initial-size": 1,
        "apicurio.datasource.jdbc.min-size": 1,
        "apicurio.datasource.jdbc.max-size": 10,
        "apicurio.storage.snapshot.location": temporary,
        "quarkus.http.access-log.enabled": "false",
        "quarkus.otel.sdk.disabled": "true",
    }
    argv = [
        *java(_HEAP_MB, temporary),
        "-XX:TieredStopAtLevel=1",  # a few dozen requests a day: compiling well is wasted
        *(f"-D{name}={value}" for name, value in options.items()),
        "-jar",
        str(program / "quarkus-run.jar"),
    ]
    url = f"http://{LOOPBACK}:{port}{API_PATH}"
    return ServiceSpec(Command("registry", argv, log), url, lambda: is_healthy(url), _STOP_SECONDS)


def is_healthy(url: str) -> bool:
    """Does it list its subjects?"""
    answer = http_get(f"{url}/subjects", _PROBE_SECONDS)
    return answer is not None and answer.status == HTTPStatus.OK
