"""A replica that copies nothing of a table makes nothing missing, and nothing differ afterwards."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.cluster.lab import NODES
from tests.cluster.world import (
    TABLES,
    Pipeline,
    answers,
    copy_rows,
    delete_adopted,
    held_up,
    reader,
)

pytestmark = [pytest.mark.cluster, pytest.mark.engines, pytest.mark.timeout(600)]


@pytest.mark.parametrize("table", TABLES)
def test_a_replica_that_copies_nothing_of_a_table_hides_nothing(
    pipeline: Pipeline, table: str
) -> None:
    from tests.clickstream.operations.erasure.world import SESSIONS, post_user

    user = f"held-{table.replace('_', '-')}"
    ids = [f"{user}-s{n}" for n in range(SESSIONS)]
    with ExitStack() as readers:
        apis = [readers.enter_context(reader(pipeline.of(node), 5)) for node in NODES]
        with held_up(pipeline.of("s1r2"), table):
            post_user(pipeline.traffic, user)
            pipeline.traffic.flush()
            seen = {api.get(f"/session?session_id={i}").status_code for api in apis for i in ids}
            assert seen <= {200, 503}
        pipeline.settle()
        seen = {api.get(f"/session?session_id={i}").status_code for api in apis for i in ids}
        assert seen == {200}
    delete_adopted(pipeline.of(NODES[0]))
    copy_rows(pipeline.of(NODES[0]), pipeline.one_server)
    expected = answers(pipeline.one_server)
    for node in ("s1r2", "s2r1"):
        assert answers(pipeline.of(node)) == expected, node
