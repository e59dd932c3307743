"""`LocalStack`: start everything in order, keep it running, stop it in the reverse order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from pydantic import SecretStr

from clickstream.local.data_directory import DataDirectory
from clickstream.local.endpoints import (
    RELEASES,
    Endpoints,
    remove_endpoints,
    with_declared_paths,
    write_endpoints,
)
from clickstream.local.engines.clickhouse import DATABASE, HTTP_USER, WORKER_USER
from clickstream.local.engines.downloads import fetch
from clickstream.local.engines.local_servers import SERVER_PORTS, LocalServers
from clickstream.local.processes.ports import is_free
from clickstream.local.processes.process_manager import ProcessManager
from clickstream.local.processes.service import Service, ServiceSpec, stop_all
from clickstream.local.processes.supervisor import Supervisor
from clickstream.local.up.app_services import http_service, worker_service
from clickstream.progress import ProgressReporter
from core.clock import SystemClock
from core.errors import EngineError, MigrationError
from core.settings import Settings

_TICK_SECONDS = 0.2
_TICKS_PER_LOG_LOOK = 25


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What is asked for. `port` 0 means any free one, the same again next time."""

    data_dir: Path
    port: int
    workers: int


class LocalStack:
    """The local servers, one HTTP process, workers. Call `start`, `watch`, then `stop`."""

    def __init__(self, options: StackOptions, progress: ProgressReporter) -> None:
        self._options = options
        self._progress = progress
        self._manager = ProcessManager()
        self._directory = DataDirectory(options.data_dir)
        self._servers: LocalServers | None = None
        self._app_services: list[Service] = []

    def start(self, prepare: Callable[[Settings], object]) -> Endpoints:
        """Everything up and answering. `prepare` makes topics, schemas and tables, idempotently.

        Raises EngineError, and what `prepare` raises; `stop` has to be called then as well.
        """
        self._directory.lock()
        _check_port(self._options.port)
        servers = LocalServers(
            self._directory,
            fetch(self._progress),
            self._manager,
            self._directory.ports(SERVER_PORTS),
        )
        self._servers = servers
        servers.spawn()
        servers.wait()
        settings = _settings(servers)
        try:
            prepare(settings)
        except MigrationError as error:
            raise EngineError(
                f"{self._directory.path} is of another version: delete that directory, or choose "
                f"another one with --data-dir ({error})"
            ) from error
        self._app_services = [Service(spec, self._manager) for spec in self._app_specs(settings)]
        for service in self._app_services:
            service.spawn()
        for service in self._app_services:
            service.wait()
        endpoints = self._endpoints(settings)
        write_endpoints(endpoints)
        return endpoints

    def watch(self) -> None:
        """Restart what dies, servers too. Never returns: a signal's exception ends it."""
        servers = self._servers.all if self._servers else ()
        supervisor = Supervisor([*servers, *self._app_services], SystemClock(), self._progress.say)
        for tick in count():
            supervisor.tick()
            if tick % _TICKS_PER_LOG_LOOK == 0:
                self._manager.rotate_logs()
            time.sleep(_TICK_SECONDS)

    def stop(self) -> None:
        """HTTP first, so that nothing new is accepted; then the workers; the servers last.

        Bounded by each one's deadline. May be called in any state, and again.
        """
        stop_all(self._app_services[:1])
        stop_all(self._app_services[1:])
        if self._servers is not None:
            remove_endpoints(self._directory.path)
            self._servers.stop()
        self._manager.close()
        self._directory.release()

    def _app_specs(self, settings: Settings) -> list[ServiceSpec]:
        """The HTTP process, then the workers."""
        workers = [f"worker-{number}" for number in range(1, self._options.workers + 1)]
        ports = self._directory.ports([*workers, *([] if self._options.port else ["http"])])
        environment = {
            "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "CLICKSTREAM_SCHEMA_REGISTRY_URL": settings.schema_registry_url,
            "CLICKSTREAM_DIMENSIONS": ",".join(settings.dimensions),
            "CLICKSTREAM_EVENT_VALUE": settings.event_value,
        }
        releases = settings.releases.uri or str(self._directory.path / RELEASES)
        port = self._options.port or ports["http"]
        return [
            http_service(
                self._directory,
                environment
                | self._url_as_user(HTTP_USER)
                | {"CLICKSTREAM_RELEASES__URI": releases},
                settings.http.host,
                port,
            ),
            *(
                worker_service(
                    self._directory,
                    environment | self._url_as_user(WORKER_USER),
                    name,
                    ports[name],
                )
                for name in workers
            ),
        ]

    def _url_as_user(self, user: str) -> dict[str, str]:
        """The variable with which a process speaks to ClickHouse as this user."""
        if self._servers is None:
            raise EngineError("the servers have not been started")
        url = self._servers.clickhouse_url_of(user, DATABASE)
        return {"CLICKSTREAM_CLICKHOUSE_URL": url, "CLICKSTREAM_CLICKHOUSE_CLUSTER": ""}

    def _endpoints(self, settings: Settings) -> Endpoints:
        http, *workers = self._app_services
        return Endpoints(
            pid=os.getpid(),
            data_dir=str(self._directory.path),
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


def _settings(servers: LocalServers) -> Settings:
    """The operator's settings, with the local servers in place."""
    return with_declared_paths(
        Settings(
            kafka_bootstrap_servers=servers.kafka_bootstrap_servers,
            schema_registry_url=servers.schema_registry_url,
            clickhouse_url=SecretStr(servers.clickhouse_database_url(DATABASE)),
            clickhouse_cluster="",
        )
    )
