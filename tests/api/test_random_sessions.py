"""Random sessions through the worker's own flush: every number is that of plain Python, after every
insert, crash, merge, mark, erasure and replay. CLICKSTREAM_TEST_SESSIONS says how many sessions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from core import clickhouse
from tests.api import oracle
from tests.api.random_log import Record, random_log
from tests.api.reference import Asked
from tests.stream_processors.cluster import Cluster
from tests.stream_processors.join.test_model_on_clickhouse import ClickHouseStore
from tests.stream_processors.records import NOW_MS, mark
from tests.stream_processors.reference import Reference

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1800)]

_SESSIONS = int(os.environ.get("CLICKSTREAM_TEST_SESSIONS", "200"))
_IS_LONG = _SESSIONS >= 1_000
_STEPS = 3
_DAY_MS = 86_400_000
_RANGE = (
    "from_ms = %(from_ms)s, to_ms = %(to_ms)s, relevance = %(relevance)s, event_type = %(type)s"
)
_BY_KEY: Mapping[str, tuple[str, Callable[..., Mapping[Any, oracle.Numbers]]]] = {
    "queries": ("search_query", oracle.queries),
    "positions": ("position", oracle.positions),
}
_QUESTIONS = [
    Asked(),
    Asked(event_type="purchase"),
    Asked(relevance="only"),
    Asked(relevance="include", event_type="cart"),
    Asked(from_ms=NOW_MS - 9 * _DAY_MS, to_ms=NOW_MS - 2 * _DAY_MS + 12_345),
]


class World:
    """A log, its cluster on ClickHouse, and what plain Python makes of the same log."""

    def __init__(self, settings: Settings, sql: Client, random: Random) -> None:
        self.store = ClickHouseStore(settings, sql)
        self.cluster = Cluster(2, store=self.store)
        self.reference = Reference()
        self._sql = sql
        self._random = random
        self._questions = cycle(_QUESTIONS)
        self._views = cycle(_BY_KEY)

    def post(self, records: Iterable[Record]) -> None:
        for record in records:
            self.cluster.append(record)
            self.reference.append(record)

    def crash(self) -> None:
        """In a flush, after some of its inserts; and after facts were computed, before it is noted
        how far they are."""
        for number, worker in enumerate(self.cluster.workers):
            for source in sorted(worker.positions):
                worker.fetch(source, self._random.randrange(1, 200))
            worker.begin()
            if self._random.random() < 0.5:
                self.cluster.crash(number, self._random.randrange(6))
                continue
            worker.finish()
            self.cluster.commit(number)
            worker.begin_facts()
            self.cluster.crash(number, self._random.randrange(2))

    def merge(self) -> None:
        for table in ("sessions", "events", "session_marks", "session_facts"):
            self._sql.command(f"OPTIMIZE TABLE {table} FINAL")

    def erase(self, ids: set[str]) -> None:
        self.cluster.erase(*sorted(ids))
        for id_ in ids:
            self.reference.erase(id_)

    def check(self, *, whole: bool = _IS_LONG) -> None:
        """Once everybody has caught up. Whole: every question; else the next one, of all sessions
        together and in turn of each query and of each position."""
        self.cluster.settle()
        sessions = oracle.known(self.reference)
        for asked in _QUESTIONS if whole else [next(self._questions)]:
            (found,) = self._ask("overview", asked)
            assert_numbers({0: found}, {0: oracle.overview(sessions, asked)})
            for view in _BY_KEY if whole else [next(self._views)]:
                key, of_python = _BY_KEY[view]
                rows = {row.pop(key): row for row in self._ask(view, asked)}
                assert_numbers(rows, of_python(sessions, asked))

    def _ask(self, what: str, asked: Asked) -> list[dict[str, Any]]:
        limit = ", limit = 10000" if what == "positions" else ""
        given = {
            "from_ms": asked.from_ms or 0,
            "to_ms": asked.to_ms or 2 * NOW_MS,
            "relevance": asked.relevance,
            "type": asked.event_type,
        }
        query = f"SELECT * FROM metrics_{what}({_RANGE}{limit})"  # noqa: S608 - our own names
        return [dict(row) for row in self._sql.query(query, parameters=given).named_results()]


def assert_numbers(
    found: Mapping[Any, dict[str, Any]], wanted: Mapping[Any, oracle.Numbers]
) -> None:
    """The same rows, and in each the same numbers; a view may have more columns."""
    assert found.keys() == wanted.keys()
    for key, numbers in wanted.items():
        exact = {name: v for name, v in numbers.items() if not isinstance(v, float)}
        assert {name: found[key][name] for name in exact} == exact, key
        rates = {name: v for name, v in numbers.items() if isinstance(v, float)}
        assert {n: found[key][n] for n in rates} == pytest.approx(rates, rel=0, abs=1e-8), key


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with clickhouse.connect(settings) as sql:
        # The records are of 2023; a waiting event that old would be deleted by its age.
        sql.command("ALTER TABLE unjoined_events REMOVE TTL")
        yield World(settings, sql, Random(_SESSIONS))


def test_every_number_is_that_of_plain_python(world: World) -> None:
    random = Random(20)
    log = random_log(random, _SESSIONS)
    for step in range(_STEPS):
        world.post(log[step * len(log) // _STEPS : (step + 1) * len(log) // _STEPS])
        if step % 2:
            world.crash()
        world.check()
    assert len(world.reference.sessions) > 0.9 * _SESSIONS
    world.merge()
    world.check()
    some = random.sample(sorted(world.reference.sessions), _SESSIONS // 20)
    for is_irrelevant in (True, False, True):
        world.post(mark(id_, is_irrelevant) for id_ in some)
        world.check()
    world.erase(set(random.sample(sorted(world.reference.sessions), _SESSIONS // 40)))
    world.check()
    world.cluster.replay(None)
    world.check()
    world.merge()
    world.check(whole=True)
