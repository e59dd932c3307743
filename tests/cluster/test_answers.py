"""A real worker and the read API on a cluster: answers of every node, and erasure."""

from __future__ import annotations

import pytest

from schemas.grants import Role
from tests.cluster.lab import NODES
from tests.cluster.world import (
    Pipeline,
    answers,
    as_user,
    copy_rows,
    delete_adopted,
    differences,
    reader,
    rows_of_replicas,
)

pytestmark = [pytest.mark.cluster, pytest.mark.engines, pytest.mark.timeout(600)]


def test_every_node_answers_as_one_server_with_the_same_rows(pipeline: Pipeline) -> None:
    delete_adopted(pipeline.of(NODES[0]))
    copy_rows(pipeline.of(NODES[0]), pipeline.one_server)
    expected = answers(pipeline.one_server, internal=True)
    assert expected["/analytics/overview"]["sessions"] > 0
    assert expected["/export/sessions?relevance=only"]
    for node in NODES:
        found = answers(pipeline.of(node), internal=node == NODES[-1])
        assert differences(found, {question: expected[question] for question in found}) == [], node


def test_a_session_that_was_never_posted_is_certainly_not_there(pipeline: Pipeline) -> None:
    for node in NODES:
        with reader(pipeline.of(node)) as api:
            assert api.get("/session?session_id=nobody").status_code == 404, node


def test_of_an_erased_user_no_replica_has_a_row(pipeline: Pipeline) -> None:
    from tests.clickstream.operations.erasure.world import erased

    assert sum(rows_of_replicas(pipeline, "ann").values()) > 0
    others = without_waiting(rows_of_replicas(pipeline, "bob"))
    outcome = erased(as_user(pipeline.of("s1r1"), Role.API), "ann")
    assert outcome.sessions > 0
    assert rows_of_replicas(pipeline, "ann") == {}
    assert without_waiting(rows_of_replicas(pipeline, "bob")) == others


def test_nothing_is_reported_as_erased_where_no_table_is(pipeline: Pipeline) -> None:
    from core.errors import SinkUnavailable
    from tests.clickstream.operations.erasure.world import erased

    wrong = pipeline.of("s1r1").model_copy(update={"clickhouse_cluster": ""})
    with pytest.raises(SinkUnavailable, match="no table with data of users"):
        erased(wrong, "cy")


def without_waiting(rows: dict[str, int]) -> dict[str, int]:
    """Adopted ones are deleted by and by."""
    return {where: count for where, count in rows.items() if not where.endswith("unjoined_events")}
