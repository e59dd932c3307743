"""Users with data in every table, and a search for the rows of one user that reads whole rows as
text, so that it does not depend on how an erasure works."""

from __future__ import annotations

import json
import time
from typing import Any

from clickstream.operations.erasure.erase import ErasureResult, erase
from core import clickhouse
from core.clickhouse import on_database
from core.clock import SystemClock
from core.settings import Settings
from schemas.contracts import SESSION
from tests.clickstream.operations.replay.stored import databases
from tests.clickstream.operations.replay.traffic import Traffic

SESSIONS = 6

_TABLES = """
SELECT name FROM system.tables
WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree')
"""
# Views that take parameters have no columns listed; they read the same facts as the others.
_VIEWS = """
SELECT DISTINCT table FROM system.columns
WHERE database = currentDatabase() AND table IN (
    SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View')
"""


def post_user(traffic: Traffic, user: str) -> None:
    """Sessions with events and marks, unjoined events, and rejected records that name the user or
    one of the sessions. Every id begins with the user's."""
    for n in range(SESSIONS):
        id_ = f"{user}-s{n}"
        traffic.event(id_, "early", event_type="save")
        traffic.session(id_, user_id=user, search_query=f"a query of {user}")
        traffic.event(id_, "click", "b", meta=json.dumps(f"of {user}"))
        if n % 2:
            traffic.mark(id_)
    session = {"session_id": f"{user}-s0", "user_id": user, "search_query": "poison"}
    traffic.raw(traffic.topics.sessions, b"someone", encoded(traffic, session))
    traffic.raw(traffic.topics.sessions, f"{user}-s1".encode(), b"no avro")
    traffic.raw(traffic.topics.events, None, json.dumps({"user_id": user}).encode())


def encoded(traffic: Traffic, fields: dict[str, Any]) -> bytes:
    """A session as our edge would write it."""
    record = {"search_results": [], "created_at": 0, "received_at": 0, **fields}
    return traffic.encoder(SESSION).encode(record)


def erased(settings: Settings, user: str) -> ErasureResult:
    return erase(
        settings,
        user,
        requested_by="a test",
        clock=SystemClock(),
        seconds=60,
        log=lambda _: None,
    )


def lose_lease(settings: Settings) -> None:
    """End the query that is the lease, as a restart of ClickHouse or a cut connection does."""
    query_id = f"clickstream-lease-{clickhouse.database_of(settings)}"
    with clickhouse.connect(settings, database="system") as client:
        client.command("KILL QUERY WHERE query_id = {id:String} SYNC", parameters={"id": query_id})
    time.sleep(1)


def rows_naming(settings: Settings, text: str) -> dict[str, int]:
    """Of every table, how many rows have this text anywhere, deleted ones included."""
    with clickhouse.connect(settings) as client:
        tables = [str(name) for (name,) in client.query(_TABLES).result_rows]
        found = {
            table: client.query(
                f"SELECT count() FROM {table}"  # noqa: S608 - names out of the schema
                " WHERE position(formatRow('RowBinary', *), {text:String}) > 0"
                " SETTINGS apply_deleted_mask = 0",
                parameters={"text": text},
            ).result_rows[0][0]
            for table in tables
        }
    return {table: count for table, count in found.items() if count}


def read_naming(settings: Settings, text: str) -> dict[str, int]:
    """The same as readers of the tables count them: each key once, without deleted rows.

    Events that wait are left out: adopted ones are deleted some time later.
    """
    with clickhouse.connect(settings) as client:
        return {
            table: client.query(
                f"SELECT count() FROM {table} FINAL"  # noqa: S608 - names of our own
                " WHERE position(formatRow('RowBinary', *), {text:String}) > 0",
                parameters={"text": text},
            ).result_rows[0][0]
            for table in ("sessions", "events", "session_marks", "session_facts", "dead_letters")
        }


def views_naming(settings: Settings, text: str) -> dict[str, int]:
    """The same of every view, as readers see it."""
    with clickhouse.connect(settings) as client:
        views = [str(name) for (name,) in client.query(_VIEWS).result_rows]
        found = {
            view: client.query(
                f"SELECT count() FROM {view}"  # noqa: S608 - names out of the schema
                " WHERE position(formatRow('JSONEachRow', *), {text:String}) > 0",
                parameters={"text": text},
            ).result_rows[0][0]
            for view in views
        }
    return {view: count for view, count in found.items() if count}


def rows_of_databases(settings: Settings, text: str) -> dict[str, int]:
    """Rows with this text, by database: the settings' own, and all whose names begin like it."""
    live = clickhouse.database_of(settings)
    found = {}
    for database in databases(settings):
        elsewhere = on_database(settings, live + database)
        if rows := sum(rows_naming(elsewhere, text).values()):
            found[live + database] = rows
    return found
