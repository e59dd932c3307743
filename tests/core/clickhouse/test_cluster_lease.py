"""Whatever order holders act in, and whichever answers are lost, one at most has the lease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import OperationalError
from hypothesis import given
from hypothesis import strategies as st

from core.clickhouse.cluster_lease import _Holder
from core.errors import SinkUnavailable
from core.settings import Settings

SETTINGS = Settings(_env_file=None, clickhouse_cluster="blue")


class Table:
    """Keeps the first row of each token, as ClickHouse's deduplication does."""

    def __init__(self, deduplicates: bool = True) -> None:
        self.rows: list[tuple[int, str]] = []
        self.tokens: set[str] = set()
        self.lost: str | None = None  # "insert" or "answer": what of the next insert is lost
        self._deduplicates = deduplicates

    def command(self, *_: object, **__: object) -> None:
        """Every node has all rows at once."""

    def query(self, *_: object, **__: object) -> Any:
        newest = sorted(self.rows, key=lambda row: row[0])[-1:]  # of equal ones, the last
        return SimpleNamespace(result_rows=newest)

    def insert(
        self, _: str, rows: Sequence[Sequence[Any]], settings: Mapping[str, Any], **__: object
    ) -> None:
        lost, self.lost = self.lost, None
        token = settings["insert_deduplication_token"]
        is_new = token not in self.tokens or not self._deduplicates
        if lost != "insert" and is_new:
            self.tokens.add(token)
            self.rows.append((rows[0][1], rows[0][2]))
        if lost:
            raise OperationalError("no answer")


class Contender:
    """Believes that it has the lease from a number of its own on, until it is told otherwise."""

    def __init__(self, table: Table) -> None:
        self.holder = _Holder(SETTINGS, table, "shop")  # type: ignore[arg-type]
        self.wins: list[int] = []

    def read(self) -> None:
        """As one who found no holder, or one that does not move."""
        self.holder._number = self.holder._newest()[0]

    def go_on(self) -> None:
        try:
            if self.holder._go_on(self.holder._id):
                self.wins.append(self.holder._number)
        except SinkUnavailable:
            pass


_STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["read", "go_on"]),
        st.sampled_from([None, None, "insert", "answer"]),
    ),
    max_size=40,
)


def wins_of(steps: Sequence[tuple[int, str, str | None]], table: Table) -> list[int]:
    contenders = [Contender(table) for _ in range(3)]
    for who, what, lost in steps:
        table.lost = lost
        getattr(contenders[who], what)()
    return [number for each in contenders for number in each.wins]


@given(_STEPS)
def test_no_number_is_two_holders(steps: Sequence[tuple[int, str, str | None]]) -> None:
    wins = wins_of(steps, Table())
    assert len(wins) == len(set(wins))


def test_without_deduplication_two_would_have_it() -> None:
    steps = [(0, "read", None), (1, "read", None), (0, "go_on", None), (1, "go_on", None)]
    assert wins_of(steps, Table()) == [1]
    assert wins_of(steps, Table(deduplicates=False)) == [1, 1]


def test_an_answer_that_was_lost_leaves_the_lease_with_its_holder() -> None:
    table = Table()
    contender = Contender(table)
    contender.read()
    table.lost = "answer"
    contender.go_on()
    contender.go_on()
    assert contender.wins == [2]


def test_who_has_not_renewed_it_for_long_does_not_rely_on_it() -> None:
    contender = Contender(Table())
    contender.read()
    with pytest.raises(SinkUnavailable, match="is lost"):
        contender.holder.check()
    contender.go_on()
    contender.holder.check()
