"""Backup, restore and a replay into fresh tables, of all shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cluster.conftest import keep_old_waiting_events
from tests.cluster.lab import NODES, Cluster
from tests.cluster.world import Pipeline, answers, delete_adopted, differences

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = [pytest.mark.cluster, pytest.mark.engines, pytest.mark.timeout(600)]


@contextmanager
def without_workers(pipeline: Pipeline) -> Iterator[Settings]:
    pipeline.settle()
    pipeline.fleet.scale(0)
    try:
        yield pipeline.of(NODES[0])
    finally:
        pipeline.fleet.scale(1)


def test_a_backup_restored_into_an_empty_cluster_is_what_was_saved(
    pipeline: Pipeline, cluster: Cluster
) -> None:
    from core.clickhouse.client import connect
    from core.clickhouse.layout import Layout
    from core.errors import SetupError
    from schemas.migrate import migrate
    from tests.clickstream.operations.backup.world import restored, saved

    if cluster.backups is None:
        pytest.skip("it is not known where the nodes of CLICKSTREAM_TEST_CLUSTER may write")
    with without_workers(pipeline) as settings:
        delete_adopted(settings)
        before = answers(settings)
        folder = cluster.backups / "one"
        manifest = saved(settings, folder).manifest
        assert {table.name for table in manifest.tables if table.rows} >= {"sessions", "events"}
        assert manifest.shards == 2
        with pytest.raises(SetupError, match="is of 2 shards"):
            restored(pipeline.one_server, folder)
        layout = Layout.of(settings)
        with connect(settings, database="system") as client:
            for database in layout.databases:
                client.command(f"DROP DATABASE {database}{layout.on_cluster} SYNC")
        migrate(settings)
        restored(settings, folder)  # which compares the checksums
        keep_old_waiting_events(settings)
        for node in ("s1r2", "s2r1"):
            assert differences(answers(pipeline.of(node)), before) == [], node


def test_tables_made_anew_from_the_log_are_what_they_were(pipeline: Pipeline) -> None:
    from clickstream.operations.replay.start_point import Earliest
    from tests.clickstream.operations.replay.test_fresh import rebuilt

    with without_workers(pipeline) as settings:
        before = answers(settings)
        rebuilt(settings, Earliest())
        keep_old_waiting_events(settings)
        for node in ("s1r2", "s2r1"):
            assert differences(answers(pipeline.of(node)), before) == [], node
