"""A query ends when its caller is gone."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from api import queries
from api.cancellation import while_connected
from api.queries import DayRow, Query
from api.store import ClickHouseStore
from core.clickhouse.client import connect

if TYPE_CHECKING:
    from core.settings import Settings

# Twenty seconds, in blocks of a tenth of one.
SLOW = "SELECT toString(sleepEachRow(0.1)) AS day FROM numbers(200) SETTINGS max_block_size = 1"


def run_for_a_client(messages: list[Message], seconds: float) -> tuple[int, list[str]]:
    """The status for a client that sends `messages` and then nothing; what became of the work."""
    became: list[str] = []

    async def respond() -> Response:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            became.append("cancelled")
            raise
        became.append("done")
        return Response(status_code=200)

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        return await asyncio.Future()

    async def test() -> int:
        answer = await while_connected(Request({"type": "http"}, receive), respond())
        return answer.status_code

    return asyncio.run(asyncio.wait_for(test(), 10)), became


def test_work_for_a_client_that_has_gone_is_cancelled() -> None:
    gone: list[Message] = [{"type": "http.request"}, {"type": "http.disconnect"}]
    assert run_for_a_client(gone, 60) == (499, ["cancelled"])


def test_client_that_waits_gets_the_answer() -> None:
    assert run_for_a_client([{"type": "http.request"}], 0.01) == (200, ["done"])


@pytest.mark.engines
def test_clickhouse_ends_a_query_that_is_cancelled(
    module_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(queries._SQL, "slow", SLOW)

    async def cancel_one() -> None:
        store = ClickHouseStore(module_settings)
        work = asyncio.create_task(store.rows(Query("slow", DayRow), 30))
        await asyncio.sleep(2)
        assert not work.done()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await store.close()

    running = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT toString(sleepEach%'"
    asyncio.run(cancel_one())
    give_up = time.monotonic() + 8
    with connect(module_settings) as client:
        while client.query(running).result_rows != [(0,)]:
            assert time.monotonic() < give_up, "it runs on"
            time.sleep(0.2)
