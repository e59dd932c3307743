"""A real worker and the read API on a cluster: answers of every node, and erasure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from schemas.grants import Role, analyst_settings
from tests.cluster.lab import DATABASE, NODES, user_of
from tests.cluster.world import (
    Pipeline,
    answers,
    as_user,
    copy_rows,
    delete_adopted,
    differences,
    every_view,
    reader,
    rows_of_replicas,
)

if TYPE_CHECKING:
    from core.settings import Settings

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


def test_an_analyst_of_any_node_joins_and_reads_every_view_as_on_one_server(
    pipeline: Pipeline,
) -> None:
    """With the settings of his role, and none of ours: a user has searches on both shards."""
    cluster, one_server = pipeline.of("s2r1"), pipeline.one_server
    pairs = "relevant_sessions AS one INNER JOIN relevant_sessions AS other USING (user_id)"
    views = every_view(internal=False).values()
    found = {each: counted_by_analyst(cluster, each) for each in (pairs, *views)}
    assert int(found[pairs]) > 0
    assert found == {each: counted_by_analyst(one_server, each) for each in found}


def counted_by_analyst(settings: Settings, relation: str) -> str:
    from core.clickhouse.client import address_of
    from core.clickhouse.layout import Layout

    address, layout = address_of(settings), Layout.of(settings)
    their_own = layout.cluster and layout.database == DATABASE
    user = user_of(Role.ANALYST) if their_own else address.user
    answer = httpx.post(
        address.url,
        params={"database": address.database, **analyst_settings(layout)},
        headers={"X-ClickHouse-User": user, "X-ClickHouse-Key": address.password},
        content=f"SELECT count() FROM {relation}",  # noqa: S608 - ours
        timeout=60,
    )
    return answer.text.strip()


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
