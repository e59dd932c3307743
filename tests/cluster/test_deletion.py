"""A deletion may read another table of its shard, also where a replica lacks rows of that table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.conftest import OfNode
from tests.waiting import wait_until

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.cluster

_TABLE = """
CREATE TABLE {table} {cluster} (id UInt64)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{{uuid}}/{{shard}}', '{{replica}}') ORDER BY id
"""


@contextmanager
def made(settings: Settings, *tables: str) -> Iterator[None]:
    """Each is there on every node, and gone afterwards: other tests look at what there is."""
    from core.clickhouse.client import connect
    from core.clickhouse.layout import Layout

    everywhere = Layout.of(settings).on_cluster
    with connect(settings) as client:
        try:
            for table in tables:
                client.command(_TABLE.format(table=table, cluster=everywhere))
            yield
        finally:
            for table in tables:
                client.command(f"DROP TABLE IF EXISTS {table}{everywhere} SYNC")


def test_replicas_that_find_different_rows_to_delete_delete_the_same(
    on_cluster: Settings, of_node: OfNode
) -> None:
    from core.clickhouse.client import connect
    from core.clickhouse.layout import Layout

    layout = Layout.of(on_cluster)
    waiting, joined = (f"{layout.shard_database}.{name}" for name in ("waiting", "joined"))
    delete = f"DELETE FROM {waiting} WHERE id IN (SELECT id FROM {joined})"  # noqa: S608 - ours
    with (
        connect(on_cluster) as ahead,
        connect(of_node("s1r2")) as behind,
        made(on_cluster, waiting, joined),
    ):

        def rows(client: Any, table: str) -> int:
            return int(client.query(f"SELECT count() FROM {table}").first_row[0])  # noqa: S608

        write = f"INSERT INTO {waiting} SELECT number FROM numbers(100)"  # noqa: S608
        ahead.command(write)
        behind.command(f"SYSTEM STOP FETCHES {joined}")
        try:
            few = f"INSERT INTO {joined} SELECT number FROM numbers(60)"  # noqa: S608
            ahead.command(few, settings={"insert_quorum": 1})
            assert (rows(ahead, joined), rows(behind, joined)) == (60, 0)
            ahead.command(layout.on_every_node(delete))
            assert rows(ahead, waiting) == rows(behind, waiting)
        finally:
            behind.command(f"SYSTEM START FETCHES {joined}")
        wait_until(lambda: rows(behind, joined) == 60, seconds=30)
        ahead.command(layout.on_every_node(delete))
        assert (rows(ahead, waiting), rows(behind, waiting)) == (40, 40)
        ahead.command(write)  # ClickHouse would drop it as a block that it has seen
        assert rows(ahead, waiting) == 140
