"""One operation at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core import clickhouse
from core.clickhouse.lease import lease
from core.errors import LeaseHeld, SinkUnavailable
from tests.waiting import wait_until

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.engines


def test_it_is_held_once_and_free_again_afterwards(module_settings: Settings) -> None:
    with (
        lease(module_settings),
        pytest.raises(LeaseHeld, match="another replay"),
        lease(module_settings),
    ):
        pass
    with lease(module_settings) as check:
        check()


def test_other_databases_have_leases_of_their_own(module_settings: Settings) -> None:
    other = clickhouse.database_of(module_settings) + "_other"
    from core.clickhouse import on_database

    with lease(module_settings), lease(on_database(module_settings, other)) as check:
        check()


def test_its_loss_is_noticed(module_settings: Settings) -> None:
    query_id = f"clickstream-lease-{clickhouse.database_of(module_settings)}"
    with lease(module_settings) as check, clickhouse.connect(module_settings) as client:
        client.command("KILL QUERY WHERE query_id = {id:String} SYNC", parameters={"id": query_id})

        def is_lost() -> bool:
            try:
                check()
            except SinkUnavailable:
                return True
            return False

        wait_until(is_lost, seconds=10)
