"""One replay at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tenacity import retry, retry_if_result, stop_after_attempt, wait_fixed

from core import clickhouse
from core.clickhouse.lease import lease
from core.errors import SetupError, SinkUnavailable

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.engines


def test_it_is_held_once_and_free_again_afterwards(settings: Settings) -> None:
    with (
        lease(settings),
        pytest.raises(SetupError, match="another replay"),
        lease(settings),
    ):
        pass
    with lease(settings) as check:
        check()


def test_other_databases_have_leases_of_their_own(settings: Settings) -> None:
    other = clickhouse.database_of(settings) + "_other"
    from clickstream.operations.rebuild.databases import on_database

    with lease(settings), lease(on_database(settings, other)) as check:
        check()


def test_its_loss_is_noticed(settings: Settings) -> None:
    query_id = f"clickstream-replay-{clickhouse.database_of(settings)}"
    with lease(settings) as check, clickhouse.connect(settings) as client:
        client.command("KILL QUERY WHERE query_id = {id:String} SYNC", parameters={"id": query_id})

        @retry(retry=retry_if_result(bool), stop=stop_after_attempt(100), wait=wait_fixed(0.1))
        def still_held() -> bool:
            try:
                check()
            except SinkUnavailable:
                return False
            return True

        assert not still_held()
