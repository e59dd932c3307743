"""How many statements a deletion is."""

from __future__ import annotations

from typing import Any, cast

import pytest

from clickstream.operations.erasure.delete import Deleter
from clickstream.operations.erasure.lookup import UserDataFinder
from clickstream.operations.erasure.subject import DataSubject
from core.clickhouse.admin import Server
from schemas.user_tables import BY_SESSION, UserDataTable


class FakeServer:
    """Every table has two rows in each of some partitions."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self.statements: list[tuple[str, dict[str, Any]]] = []

    def rows_of_replicas(self, _query: str, **_: object) -> list[tuple[str, int]]:
        return [(str(number), 2) for number in range(self._partitions)]

    def on_every_node(self, statement: str, **parameters: object) -> None:
        self.statements.append((statement, parameters))


class FakeFinder:
    databases = ("live",)

    def tables(self) -> list[tuple[str, UserDataTable]]:
        return [("live", UserDataTable(name, BY_SESSION["session_id"])) for name in ("events",)]

    def dead_letter_tables(self) -> list[tuple[str, str]]:
        return []


@pytest.mark.parametrize(("partitions", "statements"), [(0, 0), (1, 1), (3, 3), (4, 1), (400, 1)])
def test_rows_of_many_days_are_one_statement(partitions: int, statements: int) -> None:
    server = FakeServer(partitions)
    deleter = Deleter(
        cast("Server", server), cast("UserDataFinder", FakeFinder()), "live", DataSubject([], [], 0)
    )
    deleter.mask_rows(["a"])
    assert len(server.statements) == statements
    named = {parameters.get("partition") for _, parameters in server.statements}
    assert named == (
        set() if not statements else {None} if partitions > 3 else set("012"[:partitions])
    )
    assert dict(deleter.deleted) == ({"events": 2 * partitions} if partitions else {})
