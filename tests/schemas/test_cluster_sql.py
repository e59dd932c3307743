from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

import pytest

from core.clickhouse.layout import Layout
from core.errors import MigrationError
from schemas.cluster_sql import (
    OF_SESSIONS,
    SAME_EVERYWHERE,
    SHARDED,
    Existing,
    all_rows,
    distributed_table,
    empty_copy,
    exchange,
    move,
    parts_of,
    places_of,
    statements,
    table_same_everywhere,
)
from schemas.drift import as_on_one_server
from schemas.sql_files import SqlFile, load
from tests.schemas.write_cluster_golden import GOLDEN, golden

LAYOUT = Layout("shop", "blue")
FILES = load()


def test_on_one_server_every_file_is_as_it_is_written() -> None:
    for file in (*FILES.tables, *FILES.views):
        assert statements(file, Layout("shop"), {}) == file.statements
    create = FILES.tables[0].statements[0]
    assert table_same_everywhere(create, Layout("shop"), None) == create


def test_every_table_is_known_to_be_sharded_or_the_same_everywhere() -> None:
    tables = {file.name for file in FILES.tables}
    assert tables == SHARDED.keys() | SAME_EVERYWHERE
    assert not SHARDED.keys() & SAME_EVERYWHERE
    assert {file.name for file in FILES.views} >= OF_SESSIONS


def test_a_shard_is_chosen_by_the_sorting_key_so_that_rows_of_one_key_meet() -> None:
    for file in FILES.tables:
        if file.name in SHARDED:
            key = SHARDED[file.name]
            columns = key.partition("(")[2].rstrip(")").split(", ")
            order = file.statements[0].partition("\nORDER BY ")[2].splitlines()[0]
            assert all(column in order.strip("()").split(", ") for column in columns), file.name


def test_the_statements_for_a_cluster_are_as_declared() -> None:
    """Fails after a change in schemas/tables or schemas/views: run `make golden`."""
    assert golden() == GOLDEN.read_text(encoding="utf-8")


def test_views_in_the_public_database_read_it_and_those_of_sessions_their_shard() -> None:
    for view in FILES.views:
        database = "shop_shard" if view.name in OF_SESSIONS else "shop"
        text = statements(view, LAYOUT, {})[0]
        for name in view.reads & {file.name for file in (*FILES.tables, *FILES.views)}:
            assert f" {database}.{name}" in text, view.name


def test_a_node_that_joins_makes_its_table_as_that_of_the_others_is() -> None:
    (sessions,) = (file for file in FILES.tables if file.name == "sessions")
    there = Existing("0a-1b", "CREATE TABLE shop_shard.sessions (`a` Int8) ENGINE = Other")
    assert statements(sessions, LAYOUT, {"sessions": there})[0] == (
        "CREATE TABLE IF NOT EXISTS shop_shard.sessions UUID '0a-1b' ON CLUSTER 'blue'"
        " (`a` Int8) ENGINE = Other"
    )


def test_a_migration_alters_the_tables_themselves_on_every_node() -> None:
    migration = SqlFile(
        "migrations/0001_a.sql",
        ("ALTER TABLE events ADD COLUMN a Int8", "ALTER TABLE erasures ADD COLUMN a Int8"),
    )
    assert statements(migration, LAYOUT, {}) == (
        "ALTER TABLE shop_shard.events ON CLUSTER 'blue' ADD COLUMN a Int8",
        "ALTER TABLE shop.erasures ON CLUSTER 'blue' ADD COLUMN a Int8",
    )


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (
            SqlFile("tables/new.sql", ("CREATE TABLE IF NOT EXISTS new (a Int8)",)),
            "does not say how it is sharded",
        ),
        (SqlFile("migrations/0001_a.sql", ("INSERT INTO a SELECT 1",)), "may only ALTER TABLE"),
    ],
)
def test_what_cannot_be_said_for_a_cluster_is_refused(file: SqlFile, why: str) -> None:
    with pytest.raises(MigrationError, match=why):
        statements(file, LAYOUT, {})


@pytest.mark.parametrize(
    ("there", "alone"),
    [
        ("ReplicatedMergeTree('/a/{uuid}/all', '{replica}') ORDER BY a", "MergeTree ORDER BY a"),
        (
            "ReplicatedReplacingMergeTree('/a', 'b', v) ORDER BY a",
            "ReplacingMergeTree(v) ORDER BY a",
        ),
        ("ReplicatedMergeTree", "MergeTree"),
        ("SELECT a FROM `shop._goals`(b = 1)", "SELECT a FROM _goals(b = 1)"),
        ("MergeTree ORDER BY a", "MergeTree ORDER BY a"),
    ],
)
def test_a_table_of_a_cluster_is_compared_as_it_would_be_on_one_server(
    there: str, alone: str
) -> None:
    assert as_on_one_server(there) == alone


def test_what_is_sharded_is_in_two_databases_of_a_node() -> None:
    names = ("sessions", "relevant_sessions", "erasures", "metrics_overview")
    assert [places_of(name, LAYOUT) for name in names] == [2, 2, 1, 1]
    assert [places_of(name, Layout("shop")) for name in names] == [1, 1, 1, 1]


def test_a_copy_of_a_sharded_table_has_what_one_replica_of_each_shard_has() -> None:
    there = Layout("shop_backup", "blue")
    assert empty_copy("events", LAYOUT, there) == (
        "CREATE TABLE `shop_backup_shard`.`events` ON CLUSTER 'blue' AS `shop_shard`.`events`"
    )
    assert parts_of("events", LAYOUT, there) == (
        "SYSTEM SYNC REPLICA ON CLUSTER 'blue' `shop_shard`.`events` LIGHTWEIGHT",
        "ALTER TABLE `shop_backup_shard`.`events` ON CLUSTER 'blue'"
        " ATTACH PARTITION ALL FROM `shop_shard`.`events`",
    )
    assert all_rows("events", there) == "cluster('blue', `shop_backup_shard`.`events`)"
    assert distributed_table("events", there) != ()


def test_a_copy_of_a_table_that_all_nodes_have_is_filled_once() -> None:
    there = Layout("shop_backup", "blue")
    assert parts_of("erasures", LAYOUT, there) == (
        "SYSTEM SYNC REPLICA ON CLUSTER 'blue' `shop`.`erasures` LIGHTWEIGHT",
        "ALTER TABLE `shop_backup`.`erasures` ATTACH PARTITION ALL FROM `shop`.`erasures`",
    )
    assert all_rows("erasures", there) == "`shop_backup`.`erasures`"
    assert distributed_table("erasures", there) == ()


def test_tables_are_exchanged_and_moved_where_they_are() -> None:
    there = Layout("shop_restore", "blue")
    assert exchange("sessions", there, LAYOUT) == (
        "EXCHANGE TABLES `shop_restore_shard`.`sessions` AND `shop_shard`.`sessions`"
        " ON CLUSTER 'blue'"
    )
    assert move("erasures", Layout("a"), Layout("b")) == (
        "RENAME TABLE `a`.`erasures` TO `b`.`erasures`"
    )
    assert parts_of("events", Layout("a"), Layout("b")) == (
        "ALTER TABLE `b`.`events` ATTACH PARTITION ALL FROM `a`.`events`",
    )
    assert distributed_table("events", Layout("a")) == ()


def subqueries_of_in(text: str) -> Iterator[str]:
    """What stands between the brackets after each IN that has a SELECT."""
    for match in re.finditer(r"\bIN\s*\(\s*SELECT", text):
        start = text.index("(", match.start())
        depths = accumulate((char == "(") - (char == ")") for char in text[start:])
        yield text[start : start + next(n for n, depth in enumerate(depths) if not depth)]


def test_no_view_reads_one_with_parameters_within_in() -> None:
    """ClickHouse would send the question to the shards without the parameters."""
    with_parameters = re.compile(r"\bFROM \w+\(\s*\w+ = ")
    found = [
        view.name
        for view in load().views
        for subquery in subqueries_of_in(view.statements[0])
        if with_parameters.search(subquery)
    ]
    assert found == []


def test_no_view_has_a_subquery_for_a_single_value() -> None:
    """ClickHouse sends the value along with the question: a view on another shard, with the same
    subquery, would take that of the first shard for its own."""
    before = re.compile(r"(\w+|\S)\s*\(\s*SELECT\b")
    found = {
        view.name: word
        for view in load().views
        for word in before.findall(view.statements[0])
        if word not in {"FROM", "JOIN", "IN", "ALL"}
    }
    assert found == {}
