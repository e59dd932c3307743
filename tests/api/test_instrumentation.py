"""Faults of instrumentation: each is found where it is, with its numbers, and nowhere else.

The same over HTTP, in SQL and by the doctor."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api.component import ReadComponent
from clickstream.operations.doctor.clickhouse_client import ClickHouseQueries
from clickstream.operations.erasure.eraser import eraser_of
from core.clickhouse.client import connect
from core.http.app import build_app
from core.settings import Settings
from schemas.instrumentation import HEALTH_CHECKS
from tests.api.instrumentation_worlds import CLEAN, FAULTS, FROM_MS, SEARCHES, TO_MS, Fault, event
from tests.api.stored import Event, Search, World, empty, store
from tests.clickhouse_tables import on_table
from tests.clock import ManualClock
from tests.conftest import Corner
from tests.local_client import LocalClient

pytestmark = pytest.mark.engines

_RANGE = {"from": FROM_MS, "to": TO_MS}
_EXACT = {"searches_without_events", "one_session", "posts_not_stored", "repeated_events"}


@pytest.fixture(scope="module")
def settings(corner: Corner) -> Iterator[Settings]:
    with corner() as settings:
        yield settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[LocalClient]:
    role = ReadComponent(settings, eraser_of(settings))
    with LocalClient(build_app(settings, [role])) as client:
        yield client


def put(settings: Settings, world: World) -> None:
    empty(settings)
    store(settings, world)


def asked(client: LocalClient, **query: Any) -> dict[str, dict[str, Any]]:
    answer = client.get("/analytics/health", params={**_RANGE, **query})
    assert answer.status_code == 200, answer.text
    checks = answer.json()["checks"]
    assert tuple(check["finding"] for check in checks) == HEALTH_CHECKS
    assert answer.json()["is_healthy"] is not any(check["is_found"] for check in checks)
    return {check["finding"]: check for check in checks}


def _line(check: dict[str, Any]) -> dict[str, str]:
    """As CSV has it."""
    examples = json.dumps(check["examples"], ensure_ascii=False, separators=(",", ":"))
    cells = {**check, "examples": examples}
    return {name: "" if cell is None else str(cell) for name, cell in cells.items()}


def selected(settings: Settings) -> list[dict[str, Any]]:
    with connect(settings) as sql:
        view = f"instrumentation_health(from_ms = {FROM_MS}, to_ms = {TO_MS})"
        found = sql.query(f"SELECT * FROM {view}")  # noqa: S608  (our own)
        return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]


def found(checks: dict[str, dict[str, Any]]) -> list[str]:
    return [finding for finding, check in checks.items() if check["is_found"]]


def test_nothing_is_found_where_nothing_is(client: LocalClient, settings: Settings) -> None:
    put(settings, World())
    checks = asked(client)
    assert found(checks) == []
    assert {check["total"] for check in checks.values()} == {0}
    assert {check["share"] for check in checks.values()} == {None}


def test_nothing_is_found_where_all_is_well(client: LocalClient, settings: Settings) -> None:
    put(settings, CLEAN)
    checks = asked(client)
    assert found(checks) == []
    assert all(check["total"] for check in checks.values())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.finding)
def test_a_fault_is_found_alone_with_its_numbers_and_the_same_everywhere(
    client: LocalClient, settings: Settings, fault: Fault
) -> None:
    put(settings, fault.world)
    checks = asked(client)
    assert found(checks) == [fault.finding]
    check = checks[fault.finding]
    assert (check["cases"], check["total"]) == (fault.cases, fault.total)
    assert check["share"] == fault.cases / fault.total > check["threshold"]
    assert check["examples"][: len(fault.examples)] == fault.examples
    assert len(check["examples"]) <= 3
    assert sorted(checks.values(), key=_finding) == sorted(selected(settings), key=_finding)
    doctor = ClickHouseQueries(settings, 60, full=True, clock=ManualClock(TO_MS)).instrumentation()
    assert {name: (seen.is_found, seen.cases, seen.total) for name, seen in doctor.items()} == {
        name: (check["is_found"], check["cases"], check["total"]) for name, check in checks.items()
    }


def test_checks_of_shares_are_of_a_part_of_the_searches_and_say_so(
    client: LocalClient, settings: Settings
) -> None:
    put(settings, CLEAN)
    whole, half = asked(client), asked(client, one_of=2)
    for finding, check in half.items():
        if finding in _EXACT:
            assert check == whole[finding]
        else:
            assert (check["one_of"], whole[finding]["one_of"]) == (2, 1)
    with connect(settings) as sql:
        ((part,),) = sql.query(
            "SELECT countIf(session_hash < exp2(63)) FROM session_facts FINAL"
        ).result_rows
    assert half["clock_skew"]["total"] == part < whole["clock_skew"]["total"]
    answer = client.get("/analytics/health", params={**_RANGE, "one_of": 2})
    assert answer.json()["sample"]["one_of"] == 2
    assert client.get("/analytics/health", params=_RANGE).json()["sample"] is None
    lines = client.get("/analytics/health", params={**_RANGE, "one_of": 2, "format": "csv"})
    assert lines.headers["Clickstream-Sample"] == "one in 2 searches"
    cells = list(csv.DictReader(io.StringIO(lines.text, newline="")))
    assert cells == [_line(check) for check in half.values()]


def test_a_session_id_that_stands_for_none_is_in_every_part(
    client: LocalClient, settings: Settings
) -> None:
    search = replace(SEARCHES[0], session_id="undefined")
    put(settings, World((search,), (event(search, "a", 1), event(search, "b", 2))))
    for part in (1, 1_000):
        assert asked(client, one_of=part)["placeholder_ids"]["cases"] == 3


def test_events_that_wait_and_dead_letters_are_not_repeated_ones(
    client: LocalClient, settings: Settings
) -> None:
    events = tuple(replace(one, offset=2 * n) for n, one in enumerate(CLEAN.events))
    between = range(1, 2 * len(events) - 2, 2)
    waiting = [Event(Search("not posted"), f"e{n}", offset=n) for n in between]
    put(settings, World(SEARCHES, events, unjoined=tuple(waiting[:-1])))
    assert asked(client)["repeated_events"]["cases"] == 1
    dead = ["events", 0, between[-1], "invalid_record", "", datetime.now(UTC)]
    with connect(settings) as sql:
        names = ["topic", "partition", "offset", "reason", "error", "failed_at"]
        sql.insert("dead_letters", [dead], column_names=names)
        assert asked(client)["repeated_events"]["cases"] == 0
        sql.command("TRUNCATE TABLE dead_letters")


def test_repeated_events_are_as_many_before_and_after_they_are_merged(
    client: LocalClient, settings: Settings
) -> None:
    """Of two shards or replicas, one may have merged what the other has not."""
    posts = [(2 * one.offset, one) for one in CLEAN.events]
    posts += [(offset + 1, one) for offset, one in posts]
    put(settings, World(SEARCHES, tuple(replace(one, offset=offset) for offset, one in posts)))
    before = asked(client)["repeated_events"]
    assert (before["cases"], before["total"]) == (len(posts) // 2 - 1, len(posts) - 1)
    on_table(settings, "SYSTEM START MERGES {}", "events")
    with connect(settings) as sql:
        sql.command("OPTIMIZE TABLE events FINAL")
    assert asked(client)["repeated_events"] == before


def test_users_with_equally_many_searches_are_told_in_the_order_of_their_ids(
    client: LocalClient, settings: Settings
) -> None:
    searches = tuple(replace(s, user_id=f"user-{n % 6}") for n, s in enumerate(SEARCHES))
    put(settings, World(searches[::-1]))
    assert asked(client)["one_user"]["examples"] == [f"user-{n}: 200 searches" for n in range(3)]


def _finding(check: dict[str, Any]) -> str:
    return str(check["finding"])


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert [fault.finding for fault in FAULTS] == list(HEALTH_CHECKS)


def test_a_range_without_an_end_ends_now_and_begins_a_week_before(
    client: LocalClient, settings: Settings
) -> None:
    put(settings, CLEAN)
    over = client.get("/analytics/health").json()["range"]
    assert over["to_ms"] - over["from_ms"] == 7 * 86_400_000
    assert FROM_MS < over["to_ms"] <= TO_MS
    started = client.get("/analytics/health", params={"from": FROM_MS}).json()["range"]
    assert started["from_ms"] == FROM_MS


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("from=2200-01-01", "query.from"),
        ("from=2026-11-28&to=2026-11-27", "query.from"),
        ("from=yesterday", "query.from"),
        ("relevance=only", "query.relevance"),
        ("event_type=buy", "query.event_type"),
    ],
)
def test_what_makes_no_sense_is_refused(client: LocalClient, query: str, place: str) -> None:
    answer = client.get(f"/analytics/health?{query}")
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [place]
