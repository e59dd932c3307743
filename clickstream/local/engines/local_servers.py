"""Real Kafka, schema registry and ClickHouse on this machine, without containers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from clickstream.local.data_directory import DataDirectory
from clickstream.local.engines import clickhouse, kafka, registry
from clickstream.local.engines.downloads import Installed, fetch
from clickstream.local.processes.process_manager import ProcessManager
from clickstream.local.processes.service import Service, stop_all
from clickstream.progress import ConsoleProgress, ProgressReporter
from core.settings import Settings

SERVER_PORTS = (
    "kafka",
    "kafka-controller",
    "registry",
    "registry-management",
    "clickhouse",
    "clickhouse-tcp",
)


class LocalServers:
    """The three servers on one data directory."""

    def __init__(
        self,
        directory: DataDirectory,
        installed: Installed,
        manager: ProcessManager,
        ports: Mapping[str, int],
        *,
        native_port: bool | None = None,
    ) -> None:
        """Write the configurations, start nothing. `ports` has all of `SERVER_PORTS`.
        `native_port`: whether ClickHouse serves its native protocol; None: as the setting says.

        The caller locks the directory before, and closes the manager after `stop`.
        """
        if native_port is None:
            native_port = Settings().local.native_port
        self.passwords = directory.passwords(clickhouse.USERS)
        self.kafka = Service(
            kafka.prepare(
                directory.path / "kafka",
                directory.log("kafka"),
                installed.kafka_jars,
                ports["kafka"],
                ports["kafka-controller"],
            ),
            manager,
        )
        self.registry = Service(
            registry.prepare(
                directory.path / "registry",
                directory.log("registry"),
                installed.registry,
                ports["registry"],
                ports["registry-management"],
            ),
            manager,
        )
        self.clickhouse = Service(
            clickhouse.prepare(
                directory.path / "clickhouse",
                directory.log("clickhouse"),
                installed,
                ports["clickhouse"],
                ports["clickhouse-tcp"] if native_port else None,
                self.passwords,
            ),
            manager,
        )

    @property
    def all(self) -> tuple[Service, ...]:
        """In the order in which clients may lose them."""
        return (self.kafka, self.registry, self.clickhouse)

    @property
    def kafka_bootstrap_servers(self) -> str:
        return self.kafka.url

    @property
    def schema_registry_url(self) -> str:
        return self.registry.url

    @property
    def clickhouse_url(self) -> str:
        """Base HTTP URL, with the owner's name and password; it names no database."""
        return self.clickhouse.url

    def clickhouse_url_of(self, user: str, database: str) -> str:
        """The same for another of the users and a database."""
        url = urlsplit(self.clickhouse.url)
        netloc = f"{user}:{self.passwords[user]}@{url.hostname}:{url.port}"
        return url._replace(netloc=netloc, path=f"/{database}").geturl()

    def clickhouse_database_url(self, database: str) -> str:
        """What `CLICKSTREAM_CLICKHOUSE_URL` has to be to use this database."""
        return f"{self.clickhouse.url}/{database}"

    def spawn(self) -> None:
        """Start the processes and return at once."""
        for server in self.all:
            server.spawn()

    def wait(self) -> None:
        """Return once all answer; EngineError for the first that does not."""
        for server in self.all:
            server.wait()

    def stop(self) -> None:
        """End all three at the same time. May be called again."""
        stop_all(self.all)


@contextmanager
def run_local_servers(
    data_dir: Path,
    *,
    ports: Mapping[str, int] | None = None,
    progress: ProgressReporter | None = None,
    native_port: bool | None = None,
) -> Iterator[LocalServers]:
    """All three on this folder, fetched and answering; stopped at the end.

    `ports` overrides some of `SERVER_PORTS`; the others are free ones, remembered in the folder.
    Raises EngineError, and leaves nothing running; they end with this process in any case.
    """
    with ExitStack() as stack:
        directory, manager = DataDirectory(data_dir), ProcessManager()
        directory.lock()
        stack.callback(directory.release)
        stack.callback(manager.close)
        installed = fetch(progress or ConsoleProgress())
        servers = LocalServers(
            directory,
            installed,
            manager,
            {**directory.ports(SERVER_PORTS), **(ports or {})},
            native_port=native_port,
        )
        stack.callback(servers.stop)
        servers.spawn()
        servers.wait()
        yield servers
