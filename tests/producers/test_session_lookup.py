from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from core.clickhouse.client import connect
from core.errors import SinkUnavailable
from core.settings import Settings
from producers.session_lookup import ClickHouseSessionLookup
from tests.conftest import Corner

IDS = ["s-1", "it's", 'a"b', "a\\b", "é𝒳", "{session_id:String}"]


@pytest.fixture(scope="module")
def filled(corner: Corner) -> Iterator[Settings]:
    with corner() as settings:
        client = connect(settings)
        client.insert("sessions", [[each] for each in IDS], column_names=["session_id"])
        client.close()
        yield settings


def find(settings: Settings, *ids: str) -> list[bool | None]:
    async def run() -> list[bool | None]:
        sessions = ClickHouseSessionLookup(settings)
        try:
            return [await sessions.find(each) for each in ids]
        finally:
            await sessions.close()

    return asyncio.run(run())


@pytest.mark.engines
def test_stored_sessions_are_seen_whatever_their_id(filled: Settings) -> None:
    assert find(filled, *IDS) == [True] * len(IDS)


@pytest.mark.engines
def test_others_are_not(filled: Settings) -> None:
    assert find(filled, "", "s-2", "S-1", "' OR 1 = 1 --") == [None] * 4


def test_a_store_that_is_down_is_no_answer() -> None:
    with pytest.raises(SinkUnavailable):
        find(Settings(_env_file=None, clickhouse_url="http://127.0.0.1:1/clickstream"), "s-1")
