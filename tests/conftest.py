"""Fixtures on real engines. Unit tests use none of them and start nothing.

`engines`   Kafka, schema registry and ClickHouse, one of each for the whole run, however many
            processes it has: the embedded ones, or containers, or with a cluster of ClickHouse,
            as CLICKSTREAM_TEST_ENGINES says (tests/shared_engines.py)
`settings`  a fresh corner of them for one test: own topics, consumer group and database, prepared
`module_settings`  the same for all tests of a module, which is much quicker
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

from tests.examples import EXAMPLES_TIMES, PROFILE

# A shell that starts us in the background leaves SIGINT ignored, and what we start inherits that:
# it could not be ended by Ctrl-C. A handler of our own becomes the default one in children.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Kafka and the registry run for minutes here, often for seconds. To compile Kafka's code a second
# time, and better, takes as much of the processor as the rest of its start; to verify classes takes
# a fifth of it, and the jars are those whose checksums we know.
os.environ.setdefault(
    "JDK_JAVA_OPTIONS",
    "-XX:TieredStopAtLevel=1 -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote",
)

# How long an example takes says how busy the machine is, and nothing about the code. Tests that
# draw more or fewer examples than is usual say so with `tests.examples.examples`.
for _profile, _times in EXAMPLES_TIMES.items():
    hypothesis.settings.register_profile(_profile, max_examples=100 * _times, deadline=None)
hypothesis.settings.load_profile(PROFILE)

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.shared_engines import SharedEngines

Corner = Callable[..., AbstractContextManager["Settings"]]

# Of each topic of a corner. A broker makes and deletes a hundred corners in a run: the usual eight
# take it twice as long.
_PARTITIONS = 3


# Folders whose tests share one world that is costly to make.
_WHOLE_FOLDERS = ("tests/cluster", "tests/clickstream/operations/replay", "tests/faults/outages")


class _ByFile(LoadScopeScheduling):
    """Hands out whole files: the tests of one share a world, and know their order in it."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((each for each in _WHOLE_FOLDERS if file.startswith(f"{each}/")), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByFile:
    # In the order of the collection, which has the long ones first, not by the number of tests.
    config.option.loadscopereorder = False
    return _ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those on real engines first: they are long, and the end of a run is for short ones, so that
    no process is left alone with a long one."""
    items.sort(key=lambda item: item.get_closest_marker("engines") is None)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[SharedEngines]:
    """Shared by all processes of the run. Who kills engines starts some of his own."""
    from tests.shared_engines import shared_engines

    own = tmp_path_factory.getbasetemp()
    run = own if worker_id == "master" else own.parent
    kind = os.environ.get("CLICKSTREAM_TEST_ENGINES", "embedded")
    if kind == "cluster":
        from tests.cluster.lab import why_none

        if why := why_none():
            pytest.skip(why)
    with shared_engines(run / "engines", kind) as running:
        yield running


@pytest.fixture(scope="session")
def corner(engines: SharedEngines) -> Corner:
    """`with corner(...) as settings`: arguments are fields of Settings that should differ; of the
    groups `topics` and `worker`, a dictionary of those of its fields that should."""

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


@pytest.fixture(scope="module")
def module_settings(corner: Corner) -> Iterator[Settings]:
    """The same for all tests of a module that asks for it: none of them finds it empty for sure."""
    with corner() as shared:
        yield shared


@pytest.fixture
def settings(corner: Corner) -> Iterator[Settings]:
    """Fresh topics, consumer group and database, prepared, removed afterwards."""
    with corner() as fresh:
        yield fresh


def _settings(engines: SharedEngines, overrides: dict[str, Any]) -> Settings:
    from core.settings import Settings

    name = f"t{uuid.uuid4().hex[:10]}"
    own: dict[str, dict[str, object]] = {
        "topics": {"prefix": f"{name}.", "partitions": _PARTITIONS},
        "worker": {"group": f"{name}-sink"},
    }
    fields: dict[str, Any] = {
        "kafka_bootstrap_servers": engines.kafka_bootstrap_servers,
        "schema_registry_url": engines.schema_registry_url,
        "clickhouse_url": engines.clickhouse_database_url(name),
        "clickhouse_cluster": engines.clickhouse_cluster,
        **own,
        **overrides,
    }
    for group, names in own.items():
        if isinstance(fields[group], dict):
            fields[group] = {**names, **fields[group]}
    return Settings(_env_file=None, **fields)


def _remove(settings: Settings) -> None:
    """Drop what the corner made; a long run would otherwise fill up with idle partitions."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import AdminClient

    from core.clickhouse.client import connect
    from core.clickhouse.layout import Layout

    layout = Layout.of(settings)
    with connect(settings, database="system") as client:
        for database in layout.databases:
            client.command(f"DROP DATABASE IF EXISTS {database}{layout.on_cluster} SYNC")
    admin = AdminClient({**settings.kafka_options()})
    known = admin.list_topics(timeout=10).topics
    mine = [topic for topic in known if topic.startswith(settings.topics.prefix)]
    for deletion in admin.delete_topics(mine, operation_timeout=10).values() if mine else ():
        try:
            deletion.result(timeout=10)
        except KafkaException as error:  # a test has deleted it, and the metadata still had it
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
