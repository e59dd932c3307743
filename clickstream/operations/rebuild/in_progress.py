"""Waiting for work of others that began before the tables moved."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from clickstream.operations.rebuild import queries
from clickstream.operations.rebuild.databases import Databases
from core.clickhouse.admin import Server
from core.errors import SinkUnavailable

# How long an insert or a mutation may take that was under way, seconds.
_PATIENCE_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.1


def running_inserts(server: Server, databases: Databases) -> frozenset[str]:
    """The ids of the inserts that are under way into the live tables' names."""
    found = server.rows(queries.INSERTS, live=databases.live)
    return frozenset(str(query) for (query,) in found)


def until_inserts_end(server: Server, databases: Databases, inserts: frozenset[str]) -> None:
    """Until the old tables stand still: these inserts found them before they were taken away, and
    still arrive there; sweeps of theirs are called off."""
    _until_none(lambda: len(inserts & running_inserts(server, databases)), "inserts")
    server.command(queries.KILL_MUTATIONS, database=databases.retired)


def until_mutations_end(server: Server, databases: Databases) -> None:
    """Until no sweep is open on the shadow tables: it names the tables that it reads by their
    database, and would look for them in vain after the swap."""
    _until_none(
        lambda: server.number(queries.OPEN_MUTATIONS, database=databases.shadow), "mutations"
    )


def _until_none(count: Callable[[], int], what: str) -> None:
    again = Retrying(
        retry=retry_if_result(bool),
        stop=stop_after_delay(_PATIENCE_SECONDS),
        wait=wait_fixed(_LOOK_AGAIN_SECONDS),
    )
    try:
        again(count)
    except RetryError as error:
        raise SinkUnavailable(
            f"{what} that ClickHouse has under way do not end: see system.processes and"
            " system.mutations"
        ) from error
