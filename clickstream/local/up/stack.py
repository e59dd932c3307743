"""`LocalStack`: start everything in order, keep it running, stop it in the reverse order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from clickstream.local.data_directory import DataFolder
from clickstream.local.endpoints import Endpoints, remove_endpoints, write_endpoints
from clickstream.local.engines.clickhouse import DATABASE, HTTP_USER, WORKER_USER
from clickstream.local.engines.downloads import fetch
from clickstream.local.engines.local_servers import ENGINE_PORTS, LocalServers
from clickstream.local.engines.progress import Reporter
from clickstream.local.processes.ports import is_free
from clickstream.local.processes.process_manager import ProcessManager
from clickstream.local.processes.service import Service, ServiceSpec, stop_all
from clickstream.local.processes.supervisor import Supervisor
from clickstream.local.up.app_services import http_launch, worker_launch
from core.clock import SystemClock
from core.errors import EngineError
from core.settings import Settings

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for. `port` 0 means any free one, the same again next time."""

    data_dir: Path
    port: int
    workers: int


class LocalStack:
    """LocalServers, one HTTP process, workers. Use: `start`, `watch` until interrupted, `stop`."""

    def __init__(self, plan: Plan, report: Reporter) -> None:
        self._plan = plan
        self._report = report
        self._pact = ProcessManager()
        self._folder = DataFolder(plan.data_dir)
        self._engines: LocalServers | None = None
        self._ours: list[Service] = []

    def start(self, prepare: Callable[[Settings], object]) -> Endpoints:
        """Everything up and answering. `prepare` makes topics, schemas and tables, idempotently.

        Raises EngineError, and what `prepare` raises; `stop` has to be called then as well.
        """
        self._folder.hold()
        _check_port(self._plan.port)
        engines = LocalServers(
            self._folder, fetch(self._report), self._pact, self._folder.ports(ENGINE_PORTS)
        )
        self._engines = engines
        engines.spawn()
        engines.wait()
        settings = _settings(engines)
        prepare(settings)
        self._ours = [Service(launch, self._pact) for launch in self._launches(settings)]
        for service in self._ours:
            service.spawn()
        for service in self._ours:
            service.wait()
        endpoints = self._endpoints(settings)
        write_endpoints(endpoints)
        return endpoints

    def watch(self) -> None:
        """Restart what dies, engines too. Never returns: a signal's exception ends it."""
        engines = self._engines.all if self._engines else ()
        supervisor = Supervisor([*engines, *self._ours], SystemClock(), self._report.say)
        while True:
            supervisor.look()
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """HTTP first, so that nothing new is accepted; then the workers; the engines last.

        Bounded by each one's deadline. May be called in any state, and again.
        """
        stop_all(self._ours[:1])
        stop_all(self._ours[1:])
        if self._engines is not None:
            remove_endpoints(self._folder.path)
            self._engines.stop()
        self._pact.close()
        self._folder.release()

    def _launches(self, settings: Settings) -> list[ServiceSpec]:
        """The HTTP process, then the workers."""
        workers = [f"worker-{number}" for number in range(1, self._plan.workers + 1)]
        ports = self._folder.ports([*workers, *([] if self._plan.port else ["http"])])
        environment = {
            "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "CLICKSTREAM_SCHEMA_REGISTRY_URL": settings.schema_registry_url,
        }
        port = self._plan.port or ports["http"]
        return [
            http_launch(
                self._folder, environment | _as(HTTP_USER, settings), settings.http.host, port
            ),
            *(
                worker_launch(
                    self._folder, environment | _as(WORKER_USER, settings), name, ports[name]
                )
                for name in workers
            ),
        ]

    def _endpoints(self, settings: Settings) -> Endpoints:
        http, *workers = self._ours
        return Endpoints(
            pid=os.getpid(),
            data_dir=str(self._folder.path),
            http=http.url,
            docs=f"{http.url}/docs",
            kafka=settings.kafka_bootstrap_servers,
            registry=settings.schema_registry_url,
            clickhouse=settings.clickhouse_url.get_secret_value(),
            workers=tuple(worker.url for worker in workers),
        )


def _check_port(port: int) -> None:
    if port and not is_free(port):
        raise EngineError(f"port {port} is in use; choose another with --port (0: any free one)")


def _as(user: str, settings: Settings) -> dict[str, str]:
    """The variable with which a process speaks to ClickHouse as this user."""
    url = urlsplit(settings.clickhouse_url.get_secret_value())
    return {"CLICKSTREAM_CLICKHOUSE_URL": url._replace(netloc=f"{user}@{url.netloc}").geturl()}


def _settings(engines: LocalServers) -> Settings:
    """The operator's settings, with the embedded engines as servers."""
    return Settings(
        kafka_bootstrap_servers=engines.kafka_bootstrap_servers,
        schema_registry_url=engines.schema_registry_url,
        clickhouse_url=SecretStr(engines.clickhouse_database_url(DATABASE)),
    )
