"""A real worker and the read API on a cluster: answers, faults, erasure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from tests.cluster.conftest import OfNode
from tests.cluster.lab import NODES, Cluster
from tests.waiting import wait_until

if TYPE_CHECKING:
    from httpx import Response

    from core.settings import Settings
    from tests.clickstream.operations.replay.traffic import Traffic
    from tests.conftest import Corner
    from tests.local_client import LocalClient
    from tests.stream_processors.fleet import Fleet

pytestmark = [pytest.mark.cluster, pytest.mark.engines, pytest.mark.timeout(600)]

USERS = ("ann", "bob", "cy")

TABLES = ("sessions", "events", "session_marks", "unjoined_events", "dead_letters", "session_facts")

QUESTIONS = (
    *(f"/session?session_id={user}-s{n}" for user in USERS for n in (0, 1)),
    "/analytics/overview",
    "/analytics/overview?event_type=save&relevance=include",
    "/analytics/queries?relevance=only",
    "/analytics/positions",
    "/export/sessions",
    "/export/sessions?relevance=only",
    "/export/events?relevance=include",
)

VIEWS = (
    *("session_outcomes", "relevant_sessions", "relevant_events", "impressions"),
    *("analytics_daily", "analytics_queries", "analytics_positions"),
)


@dataclass
class Pipeline:
    """`of` has the settings with the URL of a node; `one_server` those of a server beside it."""

    of: Callable[[str], Settings]
    one_server: Settings
    traffic: Traffic
    fleet: Fleet

    def settle(self) -> None:
        self.traffic.flush()
        self.fleet.catch_up()


@pytest.fixture(scope="module")
def pipeline(
    corner: Corner, of_node: OfNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """Every user has data in every table."""
    from tests.clickhouse_tables import truncate
    from tests.clickstream.operations.erasure.world import post_user
    from tests.clickstream.operations.replay.traffic import Traffic
    from tests.stream_processors.fleet import Fleet

    with corner() as one_server:

        def of(node: str) -> Settings:
            there = of_node(node)
            return one_server.model_copy(
                update={
                    "clickhouse_url": there.clickhouse_url,
                    "clickhouse_cluster": there.clickhouse_cluster,
                }
            )

        truncate(of(NODES[0]), *TABLES, "facts_progress", "_topic_epochs")
        with Fleet(of(NODES[0]), tmp_path_factory.mktemp("worker"), 1) as fleet:
            made = Pipeline(of, one_server, Traffic(one_server), fleet)
            for user in USERS:
                post_user(made.traffic, user)
            made.settle()
            yield made


@contextmanager
def reader(settings: Settings) -> Iterator[LocalClient]:
    """The read API, as its process on this node would answer."""
    from api.component import ReadComponent
    from clickstream.operations.erasure.eraser import eraser_of
    from core.http.app import build_app
    from tests.local_client import LocalClient

    app = build_app(settings, [ReadComponent(settings, eraser_of(settings))])
    with LocalClient(app) as client:
        yield client


def answers(settings: Settings) -> dict[str, Any]:
    """To every question of the API, and all rows of every view."""
    from core.clickhouse.client import connect

    with reader(settings) as api, connect(settings) as client:
        found: dict[str, Any] = {}
        for question in QUESTIONS:
            answer = api.get(question)
            assert answer.status_code == 200, (question, answer.text)
            found[question] = content_of(answer)
        for view in VIEWS:
            rows = client.query(f"SELECT * FROM {view} ORDER BY ALL").result_rows  # noqa: S608
            found[view] = [repr(row) for row in rows]
    return found


def content_of(answer: Response) -> Any:
    """As rows in an order of their own, when it is an export."""
    kind = answer.headers["content-type"]
    if kind == "application/json":
        # The clean-up deletes waiting events that were adopted, some seconds later on one server.
        passing = ("as_of", "unjoined_events")
        return {name: value for name, value in answer.json().items() if name not in passing}
    if "ndjson" in kind:
        return sorted(answer.text.splitlines())
    rows = pq.read_table(BytesIO(answer.content)).to_pylist()
    return sorted(repr(row) for row in rows)


def copy_rows(source: Settings, target: Settings) -> None:
    from core.clickhouse.client import connect

    with connect(source) as there, connect(target) as here:
        for table in (*TABLES, "facts_progress", "_topic_epochs"):
            rows = there.query_arrow(f"SELECT * FROM {table}")  # noqa: S608 - names of ours
            here.insert_arrow(table, rows)


def test_every_node_answers_as_one_server_with_the_same_rows(pipeline: Pipeline) -> None:
    copy_rows(pipeline.of(NODES[0]), pipeline.one_server)
    expected = answers(pipeline.one_server)
    assert expected["/analytics/overview"]["sessions"] > 0
    assert expected["/export/sessions?relevance=only"]
    for node in NODES:
        assert answers(pipeline.of(node)) == expected, node


def test_a_session_that_was_never_posted_is_certainly_not_there(pipeline: Pipeline) -> None:
    for node in NODES:
        with reader(pipeline.of(node)) as api:
            assert api.get("/session?session_id=nobody").status_code == 404, node


def test_a_replica_that_copies_nothing_makes_no_session_missing(
    pipeline: Pipeline, cluster: Cluster
) -> None:
    from core.clickhouse.client import connect

    held_up, ids = pipeline.of("s1r2"), [f"held-{n}" for n in range(8)]
    with connect(held_up) as client, ExitStack() as readers:
        shard = f"{client.database}_shard"
        client.command(f"SYSTEM STOP FETCHES {shard}.sessions")
        try:
            for id_ in ids:
                pipeline.traffic.session(id_)
            pipeline.traffic.flush()
            apis = [readers.enter_context(reader(pipeline.of(node))) for node in NODES]
            seen = {api.get(f"/session?session_id={i}").status_code for api in apis for i in ids}
            assert seen <= {200, 503}
        finally:
            client.command(f"SYSTEM START FETCHES {shard}.sessions")
        pipeline.settle()
        seen = {api.get(f"/session?session_id={i}").status_code for api in apis for i in ids}
        assert seen == {200}


def test_of_an_erased_user_no_replica_has_a_row(pipeline: Pipeline) -> None:
    from tests.clickstream.operations.erasure.world import erased

    assert sum(rows_of_replicas(pipeline, "ann").values()) > 0
    others = without_waiting(rows_of_replicas(pipeline, "bob"))
    outcome = erased(pipeline.of("s1r1"), "ann")
    assert outcome.sessions > 0
    assert rows_of_replicas(pipeline, "ann") == {}
    assert without_waiting(rows_of_replicas(pipeline, "bob")) == others


def test_nothing_is_reported_as_erased_where_no_table_is(
    pipeline: Pipeline, cluster: Cluster
) -> None:
    from core.errors import SinkUnavailable
    from tests.clickstream.operations.erasure.world import erased

    wrong = pipeline.of("s1r1").model_copy(update={"clickhouse_cluster": ""})
    with pytest.raises(SinkUnavailable, match="no table with data of users"):
        erased(wrong, "cy")


def without_waiting(rows: dict[str, int]) -> dict[str, int]:
    """Adopted ones are deleted by and by."""
    return {where: count for where, count in rows.items() if not where.endswith("unjoined_events")}


def rows_of_replicas(pipeline: Pipeline, text: str) -> dict[str, int]:
    """By node and table, how many rows have this text anywhere, deleted ones included."""
    from core.clickhouse.client import connect

    found = {}
    for node in NODES:
        with connect(pipeline.of(node)) as client:
            for table in TABLES:
                query = (
                    f"SELECT count() FROM {client.database}_shard.{table}"  # noqa: S608 - ours
                    " WHERE position(formatRow('RowBinary', *), {text:String}) > 0"
                    " SETTINGS apply_deleted_mask = 0"
                )
                ((rows,),) = client.query(query, parameters={"text": text}).result_rows
                if rows:
                    found[f"{node} {table}"] = rows
    return found


@pytest.mark.parametrize("victims", [("s1r2",), ("zookeeper",), ("s2r1", "s2r2")])
def test_a_crash_loses_nothing_doubles_nothing_and_hides_nothing(
    pipeline: Pipeline, cluster: Cluster, victims: tuple[str, ...]
) -> None:
    if cluster.program is None:
        pytest.skip("the nodes of CLICKSTREAM_TEST_CLUSTER are not ours to kill")
    name = "-".join(victims)
    ids = [f"{name}-{n}" for n in range(60)]
    with reader(pipeline.of("s1r1")) as api:
        _post(pipeline, ids[:20])
        with cluster.without(*victims):
            _post(pipeline, ids[20:40])
            statuses = {api.get(f"/session?session_id={id_}").status_code for id_ in ids[:10]}
            assert statuses <= {200, 503}
        _post(pipeline, ids[40:])
        pipeline.settle()
    for node in NODES:
        with reader(pipeline.of(node)) as api:
            wait_until(lambda api=api: _complete(api, ids), seconds=60)  # type: ignore[misc]


def _post(pipeline: Pipeline, ids: list[str]) -> None:
    for id_ in ids:
        pipeline.traffic.session(id_, user_id="crash")
        pipeline.traffic.event(id_, "click", "b")
    pipeline.traffic.flush()


def _complete(api: LocalClient, ids: list[str]) -> bool:
    found = [api.get(f"/session?session_id={id_}") for id_ in ids]
    assert 404 not in {answer.status_code for answer in found}
    return all(a.status_code == 200 and len(a.json()["events"]) == 1 for a in found)
