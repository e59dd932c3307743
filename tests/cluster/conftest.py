"""`cluster`         the nodes, for the whole run; tests are skipped where there is none
`on_cluster`      settings of one database on it, prepared once, with rows of other tests
`of_node`         the same settings with another node's URL
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cluster.lab import NODES, Cluster, NoCluster, running_cluster

if TYPE_CHECKING:
    from core.settings import Settings

OfNode = Callable[[str], "Settings"]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
            yield running
    except NoCluster as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def on_cluster(cluster: Cluster) -> Settings:
    from core.settings import Settings
    from schemas.migrate import migrate
    from tests.clickhouse_tables import on_table

    database = f"t{uuid.uuid4().hex[:10]}"
    settings = Settings(
        _env_file=None,
        clickhouse_url=f"{cluster.urls[NODES[0]]}/{database}",  # type: ignore[arg-type]
        clickhouse_cluster=cluster.name,
    )
    migrate(settings)
    # Records of the tests are of 2023.
    on_table(settings, "ALTER TABLE {} REMOVE TTL", "unjoined_events")
    return settings


@pytest.fixture(scope="session")
def of_node(cluster: Cluster, on_cluster: Settings) -> OfNode:
    from pydantic import SecretStr

    from core.clickhouse.client import database_of

    def settings(node: str) -> Settings:
        url = SecretStr(f"{cluster.urls[node]}/{database_of(on_cluster)}")
        return on_cluster.model_copy(update={"clickhouse_url": url})

    return settings
