"""Fixtures on real engines. Unit tests use none of them and start nothing.

`engines`   Kafka, schema registry and ClickHouse for the whole run: the embedded ones, or
            containers when CLICKSTREAM_TEST_ENGINES=containers
`settings`  a fresh corner of them for one test: own topics, consumer group and database, prepared
`corner`    the same as a context manager, for fixtures that live longer than one test
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A shell that starts us in the background leaves SIGINT ignored, and what we start inherits that:
# it could not be ended by Ctrl-C. A handler of our own becomes the default one in children.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile("clickstream", deadline=None)
hypothesis.settings.load_profile("clickstream")

if TYPE_CHECKING:
    from clickstream.local.engines.local_servers import LocalServers
    from core.settings import Settings
    from tests.containers import ContainerEngines

Corner = Callable[..., AbstractContextManager["Settings"]]


class _ByFolder(LoadScopeScheduling):
    """Hands out whole folders: the tests of one share a world, and know their order in it."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0].rpartition("/")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByFolder:
    return _ByFolder(config, log)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServers | ContainerEngines]:
    """`.kafka_bootstrap_servers`, `.schema_registry_url`, `.clickhouse_url` (no database)."""
    kind = os.environ.get("CLICKSTREAM_TEST_ENGINES", "embedded")
    if kind == "containers":
        from tests.containers import container_engines

        with container_engines() as running:
            yield running
    elif kind == "embedded":
        from clickstream.local.engines.local_servers import run_local_servers

        with run_local_servers(tmp_path_factory.mktemp("engines")) as running:
            yield running
    else:
        raise pytest.UsageError(f"CLICKSTREAM_TEST_ENGINES={kind}: use embedded or containers")


@pytest.fixture(scope="session")
def corner(engines: LocalServers | ContainerEngines) -> Corner:
    """`with corner(...) as settings`: arguments are fields of Settings that should differ."""

    @contextmanager
    def make(**overrides: Any) -> Iterator[Settings]:
        from clickstream.operations.provision import prepare

        settings = _settings(engines, overrides)
        prepare(settings)
        try:
            yield settings
        finally:
            _remove(settings)

    return make


@pytest.fixture
def settings(corner: Corner) -> Iterator[Settings]:
    """Fresh topics, consumer group and database, prepared, removed afterwards."""
    with corner() as fresh:
        yield fresh


def _settings(engines: LocalServers | ContainerEngines, overrides: dict[str, Any]) -> Settings:
    from core.settings import Settings, TopicSettings, WorkerSettings

    name = f"t{uuid.uuid4().hex[:10]}"
    fields: dict[str, Any] = {
        "kafka_bootstrap_servers": engines.kafka_bootstrap_servers,
        "schema_registry_url": engines.schema_registry_url,
        "clickhouse_url": engines.clickhouse_database_url(name),
        "topics": TopicSettings(prefix=f"{name}."),
        "worker": WorkerSettings(group=f"{name}-sink"),
        **overrides,
    }
    return Settings(_env_file=None, **fields)


def _remove(settings: Settings) -> None:
    """Drop what the corner made; a long run would otherwise fill up with idle partitions."""
    from urllib.parse import urlsplit

    import httpx
    from confluent_kafka.admin import AdminClient

    url = urlsplit(settings.clickhouse_url.get_secret_value())
    database = url.path.strip("/")
    httpx.post(
        f"{url.scheme}://{url.hostname}:{url.port}/",
        content=f"DROP DATABASE IF EXISTS {database} SYNC",
        auth=(url.username or "default", url.password or ""),
        timeout=30,
    ).raise_for_status()
    admin = AdminClient({**settings.kafka_options()})
    known = admin.list_topics(timeout=10).topics
    mine = [topic for topic in known if topic.startswith(settings.topics.prefix)]
    for deletion in admin.delete_topics(mine, operation_timeout=10).values() if mine else ():
        deletion.result(timeout=10)
