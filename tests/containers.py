"""The same three servers as the local servers, in containers (needs a Docker engine)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed
from testcontainers.core.container import DockerContainer

from clickstream.local.engines import clickhouse, kafka, registry
from clickstream.local.processes.ports import LOOPBACK, free_port

KAFKA_IMAGE = "apache/kafka:4.1.2"
REGISTRY_IMAGE = "apicurio/apicurio-registry:3.3.3"
CLICKHOUSE_IMAGE = "clickhouse/clickhouse-server:26.7"

_START_SECONDS = 120
_STOP_SECONDS = 20


class ContainerEngine:
    """One server in a container, with the interface of `Service` of `clickstream.local`."""

    def __init__(
        self, container: DockerContainer, url: str, is_healthy: Callable[[], bool]
    ) -> None:
        self._container = container
        self._is_healthy = is_healthy
        self.url = url

    def start(self) -> None:
        """Start it again after `stop` or `kill`: same port, same data."""
        self._container.get_wrapped_container().start()
        self.wait()

    def stop(self) -> None:
        """End it gracefully; the container and its data stay."""
        self._container.get_wrapped_container().stop(timeout=_STOP_SECONDS)

    def kill(self) -> None:
        """End it with SIGKILL; the container and its data stay."""
        self._container.get_wrapped_container().kill()

    def wait(self) -> None:
        """Return once it answers a question of its own protocol; RetryError when it does not."""
        retry(
            stop=stop_after_delay(_START_SECONDS),
            wait=wait_fixed(0.2),
            retry=retry_if_result(lambda answered: not answered),
        )(self._is_healthy)()


@dataclass(frozen=True, slots=True)
class ContainerEngines:
    """What tests use of `clickstream.local.engines.local_servers.LocalServers`."""

    kafka: ContainerEngine
    registry: ContainerEngine
    clickhouse: ContainerEngine

    @property
    def kafka_bootstrap_servers(self) -> str:
        return self.kafka.url

    @property
    def schema_registry_url(self) -> str:
        return self.registry.url

    @property
    def clickhouse_url(self) -> str:
        return self.clickhouse.url

    def clickhouse_database_url(self, database: str) -> str:
        return f"{self.clickhouse.url}/{database}"


@contextmanager
def container_engines() -> Iterator[ContainerEngines]:
    """All three, started together; removed at the end."""
    with ExitStack() as stack, tempfile.TemporaryDirectory() as users:
        broker_port, registry_port, clickhouse_port = free_port(), free_port(), free_port()
        address = f"{LOOPBACK}:{broker_port}"
        registry_url = f"http://{LOOPBACK}:{registry_port}{registry.API_PATH}"
        clickhouse_url = f"http://{LOOPBACK}:{clickhouse_port}"
        containers = (
            _kafka(broker_port),
            DockerContainer(REGISTRY_IMAGE).with_bind_ports(8080, registry_port),
            _clickhouse(clickhouse_port, Path(users)),
        )
        for container in containers:
            stack.enter_context(container)
        engines = ContainerEngines(
            ContainerEngine(containers[0], address, lambda: kafka.is_healthy(address)),
            ContainerEngine(containers[1], registry_url, lambda: registry.is_healthy(registry_url)),
            ContainerEngine(
                containers[2], clickhouse_url, lambda: clickhouse.is_healthy(clickhouse_url)
            ),
        )
        for engine in (engines.kafka, engines.registry, engines.clickhouse):
            engine.wait()
        yield engines


def _kafka(port: int) -> DockerContainer:
    """Clients connect to the address that the broker advertises, so the port is chosen first."""
    environment = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        **{
            f"KAFKA_{name.upper().replace('.', '_')}": value
            for name, value in kafka.SINGLE_NODE_DEFAULTS.items()
        },
    }
    return DockerContainer(KAFKA_IMAGE).with_envs(**environment).with_bind_ports(port, port)


def _clickhouse(port: int, users: Path) -> DockerContainer:
    """With the users of the local one, from wherever the Docker network puts us."""
    file = users / "users.xml"
    clickhouse.write_users(file, "::/0")
    users.chmod(0o755)  # the server in the container is another user
    return (
        DockerContainer(CLICKHOUSE_IMAGE)
        .with_env("CLICKHOUSE_SKIP_USER_SETUP", "1")  # `default` without password, as the local one
        .with_volume_mapping(str(file), "/etc/clickhouse-server/users.d/clickstream.xml", "ro")
        .with_bind_ports(8123, port)
    )
