"""`cluster`         the nodes, for the whole run; tests are skipped where there is none
`on_cluster`      settings of one database on it, prepared once, with rows of other tests
`of_node`         the same settings with another node's URL
`pipeline`        a worker on it with data of users, for a module; and a server beside it
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cluster.lab import DATABASE, NODES, Cluster, NoCluster, running_cluster
from tests.cluster.world import ERASURES, TABLES, USERS, Pipeline, pipeline_on

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.conftest import Corner

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

    database = DATABASE if cluster.program else f"t{uuid.uuid4().hex[:10]}"
    settings = Settings(
        _env_file=None,
        clickhouse_url=f"{cluster.urls[NODES[0]]}/{database}",  # type: ignore[arg-type]
        clickhouse_cluster=cluster.name,
    )
    migrate(settings)
    keep_old_waiting_events(settings)
    return settings


def keep_old_waiting_events(settings: Settings) -> None:
    """Of tables that were just made, also by a restore or a replay. Records of other tests are of
    2023."""
    from tests.clickhouse_tables import on_table

    # A node refuses to remove what another has removed already.
    ttl = "toDateTime(received_at) + INTERVAL 50 YEAR"
    on_table(settings, f"ALTER TABLE {{}} MODIFY TTL {ttl}", "unjoined_events")


@pytest.fixture(scope="session")
def of_node(cluster: Cluster, on_cluster: Settings) -> OfNode:
    from pydantic import SecretStr

    from core.clickhouse.client import database_of

    def settings(node: str) -> Settings:
        url = SecretStr(f"{cluster.urls[node]}/{database_of(on_cluster)}")
        return on_cluster.model_copy(update={"clickhouse_url": url})

    return settings


@pytest.fixture(scope="module")
def pipeline(
    cluster: Cluster,
    on_cluster: Settings,
    corner: Corner,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pipeline]:
    """Every user has data in every table."""
    from core.clickhouse.client import database_of
    from tests.clickhouse_tables import truncate
    from tests.clickstream.operations.erasure.world import post_user

    truncate(on_cluster, *TABLES, *ERASURES, "facts_progress", "_topic_epochs")
    with (
        corner() as one_server,
        pipeline_on(cluster, one_server, tmp_path_factory, database_of(on_cluster)) as made,
    ):
        for user in USERS:
            post_user(made.traffic, user)
        made.settle()
        yield made
