"""A replica that copies nothing of a table makes nothing missing, and nothing differ afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.cluster.lab import NODES
from tests.cluster.world import (
    TABLES,
    Pipeline,
    answers,
    copy_rows,
    delete_adopted,
    differences,
    held_up,
    reader,
)

if TYPE_CHECKING:
    from tests.local_client import LocalClient

pytestmark = [pytest.mark.cluster, pytest.mark.engines, pytest.mark.timeout(600)]


@pytest.mark.parametrize("table", TABLES)
def test_a_replica_that_copies_nothing_of_a_table_hides_nothing(
    pipeline: Pipeline, table: str
) -> None:
    from tests.clickstream.operations.erasure.world import SESSIONS, post_user

    user = f"held-{table.replace('_', '-')}"
    ids = [f"{user}-s{n}" for n in range(SESSIONS)]

    def statuses(api: LocalClient) -> set[int]:
        return {api.get(f"/session?session_id={id_}").status_code for id_ in ids}

    with ExitStack() as readers, ThreadPoolExecutor(len(NODES)) as pool:
        apis = [readers.enter_context(reader(pipeline.of(node), 5)) for node in NODES]
        with held_up(pipeline.of("s1r2"), table):
            post_user(pipeline.traffic, user)
            pipeline.traffic.flush()
            assert set().union(*pool.map(statuses, apis)) <= {200, 503}
        pipeline.settle()
        assert set().union(*pool.map(statuses, apis)) == {200}


def test_after_all_of_it_every_node_answers_as_one_server(pipeline: Pipeline) -> None:
    delete_adopted(pipeline.of(NODES[0]))
    copy_rows(pipeline.of(NODES[0]), pipeline.one_server)
    expected = answers(pipeline.one_server)
    for node in ("s1r2", "s2r1"):
        assert differences(answers(pipeline.of(node)), expected) == [], node
