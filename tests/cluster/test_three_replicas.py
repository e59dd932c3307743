"""Of three replicas two acknowledge. The third may lack what they have, and says nothing false."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from schemas.grants import Role
from tests.cluster.lab import Cluster, NoCluster, running_cluster
from tests.cluster.world import Pipeline, as_user, held_up, pipeline_on, reader, rows_of_replicas

if TYPE_CHECKING:
    from tests.conftest import Corner

pytestmark = [pytest.mark.cluster, pytest.mark.engines, pytest.mark.timeout(600)]

NODES = ("s1r1", "s1r2", "s1r3")
BEHIND = "s1r3"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        with running_cluster(tmp_path_factory.mktemp("three"), 1, 3) as running:
            yield running
    except NoCluster as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def pipeline(
    three: Cluster, corner: Corner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    with corner() as one_server, pipeline_on(three, one_server, tmp_path_factory) as made:
        yield made


def test_a_session_that_a_replica_lacks_is_not_called_missing(pipeline: Pipeline) -> None:
    with reader(pipeline.of(BEHIND), 5) as api:
        with held_up(pipeline.of(BEHIND), "sessions"):
            pipeline.traffic.session("held")
            pipeline.settle()
            assert api.get("/session?session_id=held").status_code == 503
        assert api.get("/session?session_id=held").status_code == 200
        assert api.get("/session?session_id=nobody").status_code == 404


def test_a_position_is_waited_for_on_every_replica(pipeline: Pipeline) -> None:
    topic = pipeline.traffic.topics.events
    token = {"Clickstream-Position": f"{topic}/0@0"}
    with reader(pipeline.of(BEHIND), 5) as api:
        with held_up(pipeline.of(BEHIND), "events"):
            pipeline.traffic.event("held", "late", "b")
            pipeline.settle()
            answer = api.get("/session?session_id=held", headers=token)
            assert answer.status_code == 503, answer.text
        answer = api.get("/session?session_id=held", headers=token)
        assert [event["event_id"] for event in answer.json()["events"]] == ["late"]


def test_numbers_with_a_position_wait_for_the_facts_of_every_replica(pipeline: Pipeline) -> None:
    sessions = pipeline.traffic.topics.sessions
    token = {"Clickstream-Position": f"{sessions}/0@0"}
    overview = "/analytics/overview"
    with reader(pipeline.of(BEHIND), 5) as api:
        before = api.get(overview).json()["sessions"]
        with held_up(pipeline.of(BEHIND), "session_facts"):
            pipeline.traffic.session("counted")
            pipeline.settle()
            assert api.get(overview).json()["sessions"] == before
            assert api.get(overview, headers=token).status_code == 503
        assert api.get(overview, headers=token).json()["sessions"] == before + 1


def test_of_an_erased_user_none_of_three_replicas_has_a_row(pipeline: Pipeline) -> None:
    from tests.clickstream.operations.erasure.world import erased, post_user

    post_user(pipeline.traffic, "dan")
    pipeline.settle()
    assert rows_of_replicas(pipeline, "dan", NODES)
    assert erased(as_user(pipeline.of("s1r1"), Role.API), "dan").sessions > 0
    assert rows_of_replicas(pipeline, "dan", NODES) == {}
