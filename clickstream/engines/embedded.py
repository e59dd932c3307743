"""Real Kafka, schema registry and ClickHouse on this machine, without containers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from clickstream.engines import clickhouse, kafka, registry
from clickstream.engines.data_folder import DataFolder
from clickstream.engines.fetch import Installed, fetch
from clickstream.engines.progress import Reporter, reporter
from clickstream.processes.pact import Pact
from clickstream.processes.service import Service, stop_all

PORTS = (
    "kafka",
    "kafka-controller",
    "registry",
    "registry-management",
    "clickhouse",
    "clickhouse-tcp",
)


class Engines:
    """The three engines on one data folder. Also a context manager that stops them at its end."""

    def __init__(
        self, folder: DataFolder, installed: Installed, pact: Pact, ports: Mapping[str, int]
    ) -> None:
        """Write the configurations. The folder is held already; `ports` has all of `PORTS`."""
        self.folder = folder
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
        self._pact = pact

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        ports: Mapping[str, int] | None = None,
        progress: Reporter | None = None,
        pact: Pact | None = None,
    ) -> Engines:
        """Fetch what is missing, hold the folder, start all three at once, wait until all answer.

        `ports` overrides some of `PORTS`; the others are free ones, remembered in the folder.
        Raises EngineError, and leaves nothing running. `stop` closes the pact, also a given one's
        watcher, so it comes after whatever else was spawned through it has been stopped.
        """
        installed = fetch(progress or reporter())
        folder = DataFolder(data_dir)
        folder.hold()
        try:
            chosen = {**folder.ports(PORTS), **(ports or {})}
            engines = cls(folder, installed, pact or Pact(), chosen)
        except BaseException:
            folder.release()
            raise
        try:
            engines.spawn()
            engines.wait()
        except BaseException:  # Ctrl-C during the start as well
            engines.stop()
            raise
        return engines

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
        """End all three at the same time, then let the folder go. May be called again."""
        stop_all(self.all)
        self._pact.close()
        self.folder.release()

    def __enter__(self) -> Engines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
