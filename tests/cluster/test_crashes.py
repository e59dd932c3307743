"""Nodes die while little is posted: nothing is lost, doubled or called missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.lab import NODES, Cluster
from tests.cluster.world import Pipeline, reader
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.local_client import LocalClient

pytestmark = [pytest.mark.cluster, pytest.mark.engines, pytest.mark.timeout(600)]


@pytest.mark.parametrize("victims", [("s1r2",), ("zookeeper",), ("s2r1", "s2r2")])
def test_a_crash_loses_nothing_doubles_nothing_and_hides_nothing(
    pipeline: Pipeline, cluster: Cluster, victims: tuple[str, ...]
) -> None:
    if cluster.program is None:
        pytest.skip("the nodes of CLICKSTREAM_TEST_CLUSTER are not ours to kill")
    name = "-".join(victims)
    ids = [f"{name}-{n}" for n in range(60)]
    _post(pipeline, ids[:20])
    pipeline.settle()
    # What is posted while a node is away is written when it is back: a read of it waits in vain.
    with reader(pipeline.of("s1r1"), 2) as api, cluster.without(*victims):
        _post(pipeline, ids[20:40])
        statuses = {api.get(f"/session?session_id={id_}").status_code for id_ in ids[15:25]}
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
