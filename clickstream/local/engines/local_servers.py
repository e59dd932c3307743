"""Real Kafka, schema registry and ClickHouse on this machine, without containers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from clickstream.local.data_directory import DataFolder
from clickstream.local.engines import clickhouse, kafka, registry
from clickstream.local.engines.downloads import Installed, fetch
from clickstream.local.engines.progress import Reporter, reporter
from clickstream.local.processes.process_manager import ProcessManager
from clickstream.local.processes.service import Service, stop_all

ENGINE_PORTS = (
    "kafka",
    "kafka-controller",
    "registry",
    "registry-management",
    "clickhouse",
    "clickhouse-tcp",
)


class LocalServers:
    """The three engines on one data folder."""

    def __init__(
        self,
        folder: DataFolder,
        installed: Installed,
        pact: ProcessManager,
        ports: Mapping[str, int],
    ) -> None:
        """Write the configurations, start nothing. `ports` has all of `ENGINE_PORTS`.

        The folder is held by the caller, and the pact closed by him, after `stop`.
        """
        self.kafka = Service(
            kafka.prepare(
                folder.path / "kafka",
                folder.log("kafka"),
                installed.kafka_jars,
                ports["kafka"],
                ports["kafka-controller"],
            ),
            pact,
        )
        self.registry = Service(
            registry.prepare(
                folder.path / "registry",
                folder.log("registry"),
                installed.registry,
                ports["registry"],
                ports["registry-management"],
            ),
            pact,
        )
        self.clickhouse = Service(
            clickhouse.prepare(
                folder.path / "clickhouse",
                folder.log("clickhouse"),
                installed,
                ports["clickhouse"],
                ports["clickhouse-tcp"],
            ),
            pact,
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
        """Base HTTP URL; it names no database."""
        return self.clickhouse.url

    def clickhouse_database_url(self, database: str) -> str:
        """What `CLICKSTREAM_CLICKHOUSE_URL` has to be to use this database."""
        return f"{self.clickhouse.url}/{database}"

    def spawn(self) -> None:
        """Start the processes and return at once."""
        for engine in self.all:
            engine.spawn()

    def wait(self) -> None:
        """Return once all answer; EngineError for the first that does not."""
        for engine in self.all:
            engine.wait()

    def stop(self) -> None:
        """End all three at the same time. May be called again."""
        stop_all(self.all)


@contextmanager
def embedded_engines(
    data_dir: Path,
    *,
    ports: Mapping[str, int] | None = None,
    progress: Reporter | None = None,
) -> Iterator[LocalServers]:
    """All three on this folder, fetched and answering; stopped at the end.

    `ports` overrides some of `ENGINE_PORTS`; the others are free ones, remembered in the folder.
    Raises EngineError, and leaves nothing running; they end with this process in any case.
    """
    with ExitStack() as stack:
        folder, pact = DataFolder(data_dir), ProcessManager()
        folder.hold()
        stack.callback(folder.release)
        stack.callback(pact.close)
        installed = fetch(progress or reporter())
        engines = LocalServers(
            folder, installed, pact, {**folder.ports(ENGINE_PORTS), **(ports or {})}
        )
        stack.callback(engines.stop)
        engines.spawn()
        engines.wait()
        yield engines
