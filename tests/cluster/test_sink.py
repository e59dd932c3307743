"""What every `Sink` promises, of one whose tables are on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cluster.conftest import keep_old_waiting_events
from tests.stream_processors.write import test_sink as contract
from tests.stream_processors.write.test_sink import Store, clickhouse_store

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module", autouse=True)
def old_events_wait(on_cluster: Settings) -> None:
    """Other tests have migrated meanwhile, which sets the declared retention."""
    keep_old_waiting_events(on_cluster)


@pytest.fixture
def store(on_cluster: Settings) -> Iterator[Store]:
    yield from clickhouse_store(on_cluster)


@pytest.fixture
def endless(on_cluster: Settings) -> Settings:
    return on_cluster


for _name, _test in vars(contract).items():
    if _name.startswith("test_") and "settings" not in _test.__code__.co_varnames[:1]:
        globals()[_name] = _test
