"""The system under test: engines that may be broken, edge, api and workers as real processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

from pydantic import SecretStr
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from clickstream.local.data_directory import DataDirectory
from clickstream.local.engines.local_servers import LocalServers, run_local_servers
from clickstream.local.processes.ports import LOOPBACK, free_port
from clickstream.local.processes.process_manager import ProcessManager
from clickstream.local.processes.service import Service, ServiceSpec, stop_all
from clickstream.local.up.app_services import PYTHON_MODULE, http_service
from clickstream.operations.provision import prepare
from core.settings import HttpSettings, Settings
from tests.cluster.lab import NODES, Cluster
from tests.e2e.process_pair import environment_of
from tests.faults.lab import reading
from tests.faults.lab.days import days_before
from tests.faults.lab.ledger import Found, Verdict, judge
from tests.faults.lab.proxy import Proxy
from tests.faults.lab.traffic import SESSIONS_PER_SECOND, Traffic
from tests.faults.lab.watch import Watch
from tests.stream_processors.fleet import Fleet

WORKERS = 3
_KEEP_SECONDS = 0.1

# Facts follow the commits within five seconds; on a busy machine later.
_FACTS_SECONDS = 30.0

# A version of the system that breaks a promise: see tests/faults/broken.py.
BROKEN = os.environ.get("CLICKSTREAM_TEST_BROKEN", "")


class Keeper:
    """Starts again what died, at once: a supervisor without its growing patience, which would
    make fifty kills last an hour. `clickstream up` has the patient one."""

    def __init__(self, services: Sequence[Service], fleet: Fleet) -> None:
        self._services = services
        self._fleet = fleet
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper")
        self.deaths: list[tuple[str, int]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_KEEP_SECONDS):
            self.deaths += self._fleet.revive()
            for service in self._services:
                status = service.exit_status()
                if status is not None:
                    service.spawn()
                    self.deaths.append((service.name, status))


@dataclass
class Lab:
    """Everything that runs, and the days that its traffic has not used yet."""

    folder: Path
    engines: LocalServers
    settings: Settings
    edge: Service
    api: Service
    fleet: Fleet
    keeper: Keeper
    watch: Watch
    extras: list[Service]
    rows: list[str] = field(default_factory=list)  # names of all traffic so far
    days: Iterator[date] = field(default_factory=lambda: days_before(datetime.now(UTC).date()))

    def traffic(
        self,
        name: str,
        edge: Service | None = None,
        clients: int = 0,
        per_second: int = SESSIONS_PER_SECOND,
    ) -> Traffic:
        """Traffic whose sessions have a day of their own, so that counts can be compared."""
        self.rows.append(name)
        return Traffic((edge or self.edge).url, name, next(self.days), clients, per_second)

    @contextmanager
    def another_edge(self, role: str = "edge", **variables: str) -> Iterator[Service]:
        """One more edge, with other settings than the usual one's; `edge --with-api` reads too."""
        environment = {**environment_of(self.settings), **variables}
        manager = ProcessManager()
        edge = Service(_http_launch(self.folder, environment, role, "another-edge"), manager)
        edge.start()
        self.extras.append(edge)
        try:
            yield edge
        finally:
            self.extras.remove(edge)
            edge.stop()
            manager.close()

    def verdict(self, traffic: Traffic) -> Verdict:
        """Of all readings of that traffic, once the sink has read everything."""
        self.fleet.catch_up()
        others = [name for name in self.rows if name != traffic.name]
        views = reading.read_views(self.settings, traffic.name, traffic.day)
        api = reading.read_api(self.api.url, traffic.day, views.waiting)
        return replace(
            judge(traffic.ledger, {"views": views, "api": api}, others),
            miscounted=self._miscounted(traffic.day, views),
            dead_lettered=reading.dead_letters(self.settings, others),
        )

    def _miscounted(self, day: date, views: Found) -> int:
        """By how much the metrics differ from the views, once the facts have had time to follow."""

        def differ() -> int:
            counted = reading.read_metrics(self.api.url, day)
            return abs(counted.sessions - len(views.sessions)) + abs(
                counted.events - len(views.events)
            )

        follow = retry(
            retry=retry_if_result(bool), stop=stop_after_delay(_FACTS_SECONDS),
            wait=wait_fixed(0.5), retry_error_callback=lambda _: differ(),
        )  # fmt: skip
        return int(follow(differ)())

    @contextmanager
    def workers_behind_proxies(self) -> Iterator[Mapping[str, Proxy]]:
        """Restart the workers, each with a proxy between itself and ClickHouse, by its name."""
        with ExitStack() as stack:
            proxies: dict[str, Proxy] = {}

            def environment(name: str) -> Mapping[str, str]:
                proxies[name] = stack.enter_context(Proxy(_port(self.engines.clickhouse_url)))
                direct = self.engines.clickhouse_url
                url = _database_url(direct.replace(f":{_port(direct)}", f":{proxies[name].port}"))
                return {**environment_of(self.settings), "CLICKSTREAM_CLICKHOUSE_URL": url}

            self.fleet.replace_all(environment)
            try:
                yield proxies
            finally:
                self.fleet.replace_all(None)


@contextmanager
def running_lab(folder: Path, cluster: Cluster | None = None) -> Iterator[Lab]:
    """All of it on new, empty engines, but for ClickHouse when there is a cluster of it."""
    with ExitStack() as stack:
        engines = stack.enter_context(run_local_servers(folder / "engines"))
        settings = _settings(engines)
        if cluster is not None:
            url = SecretStr(_database_url(cluster.urls[NODES[0]]))
            there = {"clickhouse_url": url, "clickhouse_cluster": cluster.name}
            settings = settings.model_copy(update=there)
        prepare(settings)
        manager = ProcessManager()
        stack.callback(manager.close)
        edge, api = services = [
            Service(_http_launch(folder, environment_of(settings), name, name), manager)
            for name in ("edge", "api")
        ]
        stack.callback(stop_all, services)
        for service in services:
            service.start()
        fleet = stack.enter_context(Fleet(settings, folder, WORKERS, program=_program()))
        keeper = stack.enter_context(Keeper(services, fleet))
        extras: list[Service] = []

        def pids() -> Mapping[str, int]:
            everyone = (edge, api, *fleet.workers, *extras)
            return {each.name: each.pid for each in everyone if each.pid is not None}

        watch = stack.enter_context(Watch(settings, pids))
        yield Lab(folder, engines, settings, edge, api, fleet, keeper, watch, extras)


def _settings(engines: LocalServers) -> Settings:
    return Settings(
        _env_file=None,
        kafka_bootstrap_servers=engines.kafka_bootstrap_servers,
        schema_registry_url=engines.schema_registry_url,
        clickhouse_url=SecretStr(_database_url(engines.clickhouse_url)),
        http=HttpSettings(),
    )


def _http_launch(folder: Path, environment: Mapping[str, str], role: str, name: str) -> ServiceSpec:
    """`clickstream edge` or `clickstream api`, a process of its own."""
    launch = http_service(DataDirectory(folder / name), environment, LOOPBACK, free_port())
    command = replace(launch.command, name=name, argv=(*_program(), *role.split()))
    return replace(launch, command=command)


def _program() -> Sequence[str]:
    if not BROKEN:
        return PYTHON_MODULE
    return (PYTHON_MODULE[0], "-m", "tests.faults.broken", BROKEN)


def _database_url(url: str) -> str:
    return f"{url}/clickstream"


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
