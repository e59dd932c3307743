"""Statements of operations, and the databases that they make."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import pytest

from core import clickhouse
from core.clickhouse.admin import Owner, Purpose, Server, open_server
from core.errors import SetupError, SinkUnavailable

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.engines


def test_a_statement_ends_with_the_time_that_is_left(module_settings: Settings) -> None:
    with clickhouse.connect(module_settings, database="system") as client:
        server = Server(module_settings, client, remaining=lambda: 1.0)
        assert server.number("SELECT 1") == 1
        started = time.monotonic()
        with pytest.raises(SinkUnavailable):
            server.rows("SELECT sum(sipHash64(number)) FROM numbers(1000000000000)")
        assert time.monotonic() - started < 10


def test_a_database_of_another_owner_is_neither_taken_nor_dropped_nor_ours(
    module_settings: Settings,
) -> None:
    ours, theirs = (f"t{uuid.uuid4().hex[:10]}" for _ in range(2))
    database, owner = f"{ours}_made", Owner(ours, Purpose.BACKUP)
    with open_server(module_settings) as server:
        assert not server.has(database, owner)
        server.create(database, owner)
        try:
            assert server.has(database, owner)
            assert server.may_erase(database)
            assert server.owned(ours) == (database,)
            assert server.owned(theirs) == server.owned(ours[:-1]) == ()
            for other in (Owner(theirs, Purpose.BACKUP), Owner(ours, Purpose.RESTORE)):
                with pytest.raises(SetupError, match="rename it"):
                    server.drop(database, other)
            assert server.has(database, owner)
        finally:
            server.drop(database, owner)
        assert not server.has(database, owner)
