"""Tables and views of a cluster are those of one server, on every node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.conftest import OfNode
from tests.cluster.lab import NODES, Cluster
from tests.waiting import wait_until

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.cluster


def test_every_node_has_what_one_server_has(of_node: OfNode) -> None:
    from schemas.drift import differences

    missing_ttl = ["table unjoined_events: ttl"]  # that the fixture has removed
    for node in NODES:
        found = differences(of_node(node))
        assert [line for line in found if not line.startswith(missing_ttl[0])] == [], node


def test_nothing_is_left_to_apply_and_a_node_that_lost_its_tables_gets_them_back(
    on_cluster: Settings, of_node: OfNode
) -> None:
    from core.clickhouse.client import connect
    from core.clickhouse.layout import Layout
    from schemas.migrate import migrate, pending

    assert pending(on_cluster) == []
    with connect(on_cluster) as client:
        client.insert("session_marks", [["joined", True]], ["session_id", "is_irrelevant"])
    layout = Layout.of(on_cluster)
    with connect(of_node("s2r2"), database="system") as new_node:
        for database in (layout.database, layout.shard_database):
            new_node.command(f"DROP DATABASE {database} SYNC")
    assert "tables/sessions.sql" in migrate(on_cluster)
    assert pending(of_node("s2r2")) == []
    with connect(of_node("s2r2")) as new_node:
        count = "SELECT count() FROM session_marks WHERE session_id = 'joined'"
        assert new_node.query(count).first_row == (1,)
        _same_table_as_its_neighbour(new_node, layout.shard_database)


def test_a_node_that_is_away_is_named_and_makes_what_is_migrated_meanwhile_when_it_is_back(
    cluster: Cluster, on_cluster: Settings, of_node: OfNode
) -> None:
    from clickstream.operations.doctor.clickhouse_client import ClickHouseQueries
    from clickstream.operations.doctor.result import Status
    from clickstream.operations.doctor.schema_checks import check_nodes
    from core.clickhouse.client import connect
    from core.clickhouse.layout import Layout
    from schemas.migrate import migrate, pending

    if cluster.program is None:
        pytest.skip("the nodes of CLICKSTREAM_TEST_CLUSTER are not ours to kill")
    layout = Layout.of(on_cluster)
    with connect(on_cluster) as client:
        client.command(f"DROP VIEW {layout.database}.metrics_now{layout.on_cluster}")
    assert pending(of_node("s2r2")) == ["views/metrics_now.sql"]
    doctor = ClickHouseQueries(on_cluster, 60)
    with cluster.without("s2r2"):
        assert migrate(on_cluster) == ["views/metrics_now.sql"]
        assert check_nodes(doctor).detail.startswith("1 of 4 nodes do not answer")
    wait_until(lambda: pending(of_node("s2r2")) == [], seconds=60)
    wait_until(lambda: check_nodes(doctor).status is Status.OK, seconds=60)


def test_the_doctor_can_ask_all_of_its_questions(on_cluster: Settings) -> None:
    from clickstream.operations.doctor.clickhouse_client import ClickHouseQueries
    from schemas.instrumentation import HEALTH_CHECKS

    doctor = ClickHouseQueries(on_cluster, 60, full=True)
    doctor.split_sessions()
    doctor.hash_collisions()
    doctor.dead_letters()
    doctor.unjoined()
    assert set(doctor.instrumentation()) == set(HEALTH_CHECKS)


def _same_table_as_its_neighbour(client: object, database: str) -> None:
    replicas = (
        "SELECT min(total_replicas), min(active_replicas) FROM system.replicas"  # noqa: S608 - ours
        f" WHERE database = '{database}'"
    )
    wait_until(lambda: client.query(replicas).first_row == (2, 2), seconds=30)  # type: ignore[attr-defined]
