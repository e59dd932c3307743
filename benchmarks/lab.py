"""Where benchmarks run: servers, topics and a database for each, processes that end with us."""

from __future__ import annotations

import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from confluent_kafka.admin import AdminClient

from clickstream.local.engines.local_servers import LocalServers, run_local_servers
from clickstream.local.processes.ports import free_port
from clickstream.local.processes.process_manager import Command, ProcessManager
from clickstream.local.processes.service import Service, ServiceSpec
from clickstream.operations.provision import prepare
from core import clickhouse
from core.health_probe import is_ready
from core.settings import Settings

PYTHON_MODULE = (sys.executable, "-m")

_PROBE_SECONDS = 2.5
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Lab:
    """Servers to measure on. `clickhouse_pid` is None when they are somebody's own, elsewhere:
    their CPU time is then not known, and no figure that needs it is given."""

    base: Settings
    manager: ProcessManager
    folder: Path
    clickhouse_pid: int | None
    kafka_pid: int | None
    kept: dict[str, Settings] = field(default_factory=dict)
    """Settings of those that were not removed, by name."""

    @contextmanager
    def isolated(self, *, kept: str | None = None, **overrides: Any) -> Iterator[Settings]:
        """Own topics, consumer group and database, prepared, and removed afterwards.

        With `kept` they have that name and stay: the next run on this folder finds them filled.
        """
        name = kept or f"bench_{uuid.uuid4().hex[:10]}"
        fields: dict[str, Any] = {
            "clickhouse_url": _with_database(self.base, name),
            "topics": self.base.topics.model_copy(update={"prefix": f"{name}."}),
            "worker": self.base.worker.model_copy(update={"group": f"{name}-sink"}),
            **overrides,
        }
        settings = self.base.model_copy(
            update={
                **fields,
                "clickhouse_url": type(self.base.clickhouse_url)(fields["clickhouse_url"]),
            }
        )
        prepare(settings)
        try:
            yield settings
        finally:
            if kept is None:
                _remove(settings, name)
            else:
                self.kept[kept] = settings

    @contextmanager
    def process(
        self,
        name: str,
        argv: Sequence[str],
        settings: Settings,
        env: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> Iterator[Service]:
        """A process that uses these servers; killed at the end.

        With `url` it is waited for until it is ready there; EngineError with the end of its log
        when it does not come up.
        """
        command = Command(
            name,
            argv,
            self.folder / "logs" / f"{name}.log",
            env={**environment(settings), **(env or {})},
        )
        answers = partial(is_ready, url, _PROBE_SECONDS) if url else lambda: True
        service = Service(ServiceSpec(command, url or "", answers, _STOP_SECONDS), self.manager)
        try:
            service.start()
            yield service
        finally:
            service.stop()


def pid_of(service: Service) -> int:
    """The process id of one that has been started and not stopped."""
    if service.pid is None:
        raise AssertionError(f"{service.name} was stopped")
    return service.pid


@contextmanager
def local_lab(data_dir: Path | None = None) -> Iterator[Lab]:
    """The local servers, on a folder that is kept, or on one that is not."""
    with tempfile.TemporaryDirectory(prefix="clickstream-bench-") as temporary:
        folder = data_dir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with run_local_servers(folder, native_port=True) as servers:
            manager = ProcessManager()
            try:
                yield Lab(
                    _settings(servers), manager, folder, servers.clickhouse.pid, servers.kafka.pid
                )
            finally:
                manager.close()


@contextmanager
def external_lab(settings: Settings) -> Iterator[Lab]:
    """The servers that the settings name. Nothing is left behind there, kept ones included."""
    with tempfile.TemporaryDirectory(prefix="clickstream-bench-") as temporary:
        manager = ProcessManager()
        lab = Lab(settings, manager, Path(temporary), None, None)
        try:
            yield lab
        finally:
            manager.close()
            for name, kept in lab.kept.items():
                _remove(kept, name)


def environment(settings: Settings) -> dict[str, str]:
    """The variables with which a child process has these settings."""
    worker = {
        f"CLICKSTREAM_WORKER__{name.upper()}": str(value)
        for name, value in settings.worker.model_dump().items()
    }
    topics = {
        f"CLICKSTREAM_TOPICS__{name.upper()}": str(value)
        for name, value in settings.topics.model_dump().items()
    }
    options = {f"CLICKSTREAM_KAFKA__{name}": value for name, value in settings.kafka.items()}
    return {
        "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "CLICKSTREAM_SCHEMA_REGISTRY_URL": settings.schema_registry_url,
        "CLICKSTREAM_CLICKHOUSE_URL": settings.clickhouse_url.get_secret_value(),
        "CLICKSTREAM_DIMENSIONS": ",".join(settings.dimensions),
        "CLICKSTREAM_LOG_LEVEL": settings.log_level,
        # Loopback, and no keys: whatever else the environment or a `.env` says.
        "CLICKSTREAM_HTTP__HOST": "127.0.0.1",
        **{f"CLICKSTREAM_{kind}_KEYS": "" for kind in ("WRITE", "READ", "ADMIN")},
        **options,
        **topics,
        **worker,
    }


def loopback_port() -> int:
    """A port that is free now."""
    return free_port()


def _settings(servers: LocalServers) -> Settings:
    return Settings(
        _env_file=None,
        kafka_bootstrap_servers=servers.kafka_bootstrap_servers,
        schema_registry_url=servers.schema_registry_url,
        clickhouse_url=servers.clickhouse_database_url("default"),
    )


def _with_database(settings: Settings, name: str) -> str:
    url = urlsplit(settings.clickhouse_url.get_secret_value())
    return url._replace(path=f"/{name}").geturl()


def _remove(settings: Settings, database: str) -> None:
    with clickhouse.connect(settings, role="clickstream bench") as client:
        client.command(f"DROP DATABASE IF EXISTS {database} SYNC")
    admin = AdminClient({**settings.kafka_options()})
    known = admin.list_topics(timeout=10).topics
    mine = [topic for topic in known if topic.startswith(settings.topics.prefix)]
    for deletion in admin.delete_topics(mine, operation_timeout=10).values() if mine else ():
        deletion.result(timeout=10)
