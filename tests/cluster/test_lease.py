"""A lease holds on all nodes, whichever of them was asked."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.cluster.conftest import OfNode
from tests.cluster.lab import NODES
from tests.waiting import wait_until

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.cluster


def test_it_is_held_once_whichever_node_is_asked(of_node: OfNode) -> None:
    from core.clickhouse.lease import lease
    from core.errors import LeaseHeld

    with lease(of_node("s1r1")) as check:
        for node in ("s1r1", "s2r2"):
            with pytest.raises(LeaseHeld, match="another replay"), lease(of_node(node)):
                pass
        with lease(of_node("s2r2"), database="another"):
            check()
    with lease(of_node("s2r1")) as check:
        check()


def test_of_many_that_want_it_at_once_one_has_it(of_node: OfNode) -> None:
    from core.clickhouse.lease import lease
    from core.errors import LeaseHeld

    outcomes: list[str] = []
    together, decided = threading.Barrier(len(NODES)), threading.Event()

    def want(settings: Settings) -> None:
        together.wait(30)
        try:
            with lease(settings, database="wanted"):
                outcomes.append("held")
                decided.wait(60)
        except LeaseHeld:
            outcomes.append("refused")

    threads = [threading.Thread(target=want, args=(of_node(node),)) for node in NODES]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(outcomes) == len(NODES), seconds=60)
    finally:
        decided.set()
        for thread in threads:
            thread.join(60)
    assert sorted(outcomes) == ["held", "refused", "refused", "refused"]


def test_its_loss_is_noticed_and_who_died_holds_it_no_longer(
    of_node: OfNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.clickhouse import cluster_lease
    from core.clickhouse.lease import lease
    from core.errors import SinkUnavailable

    # A holder that renews it too rarely: as good as dead, until it comes back.
    monkeypatch.setattr(cluster_lease, "_EXPIRED_SECONDS", 1.0)
    monkeypatch.setattr(cluster_lease, "_BEAT_SECONDS", 5.0)

    def is_lost() -> bool:
        try:
            check_first()
        except SinkUnavailable:
            return True
        return False

    with (
        lease(of_node("s1r1"), database="lost") as check_first,
        lease(of_node("s2r1"), database="lost") as check,
    ):
        wait_until(is_lost, seconds=10)
        check()
