from __future__ import annotations

import pytest
from pydantic import ValidationError

from core.clickhouse.layout import Layout
from core.settings import Settings

ONE = Layout("shop")
CLUSTER = Layout("shop", "blue")


def test_on_one_server_nothing_is_changed() -> None:
    statement = "DELETE FROM sessions WHERE 1"
    assert ONE.on_every_node(statement) == statement
    query = "SELECT 1 FROM {database:Identifier}.{table:Identifier}"
    assert ONE.from_all_replicas(query) == query
    assert ONE.all_nodes("system.parts") == "system.parts"
    assert (ONE.shard_database, ONE.on_cluster, dict(ONE.client_settings)) == ("shop", "", {})


@pytest.mark.parametrize(
    ("statement", "everywhere"),
    [
        ("\nDELETE FROM a\nWHERE b", "\nDELETE FROM a ON CLUSTER 'blue'\nWHERE b"),
        ("SYSTEM STOP MERGES a.b", "SYSTEM STOP MERGES ON CLUSTER 'blue' a.b"),
        (
            "DELETE FROM {d:Identifier}.{t:Identifier} IN PARTITION ID {p:String} WHERE b",
            "DELETE FROM {d:Identifier}.{t:Identifier} ON CLUSTER 'blue'"
            " IN PARTITION ID {p:String} WHERE b",
        ),
        ("ALTER TABLE a.b REMOVE TTL", "ALTER TABLE a.b ON CLUSTER 'blue' REMOVE TTL"),
        ("TRUNCATE TABLE a", "TRUNCATE TABLE a ON CLUSTER 'blue'"),
        ("KILL MUTATION WHERE c", "KILL MUTATION ON CLUSTER 'blue' WHERE c"),
    ],
)
def test_a_statement_for_every_node_names_the_cluster_behind_its_table(
    statement: str, everywhere: str
) -> None:
    assert CLUSTER.on_every_node(statement) == everywhere


def test_a_statement_that_would_run_on_one_node_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot run on every node: INSERT INTO a"):
        CLUSTER.on_every_node("INSERT INTO a SELECT 1")


def test_a_query_of_operations_reads_every_replica_and_what_it_compares_with_stays() -> None:
    query = (
        "SELECT 1 FROM {database:Identifier}.dead_letters"
        " WHERE a IN (SELECT b FROM {live:Identifier}.erasures)"
    )
    assert CLUSTER.from_all_replicas(query) == (
        "SELECT 1 FROM clusterAllReplicas('blue', {database:Identifier}.dead_letters)"
        " WHERE a IN (SELECT b FROM {live:Identifier}.erasures)"
    )


def test_the_name_of_a_cluster_has_no_quotes() -> None:
    with pytest.raises(ValidationError, match="clickhouse_cluster"):
        Settings(_env_file=None, clickhouse_cluster="a' b")


def test_a_cluster_has_two_databases_and_one_server_has_one() -> None:
    assert ONE.databases == ("shop",)
    assert CLUSTER.databases == ("shop", "shop_shard")
