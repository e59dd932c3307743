"""Apply every published erasure again. Tables from a backup may be older than an erasure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.deadline import Deadline
from clickstream.operations.erasure.delete import Deleter, Log
from clickstream.operations.erasure.erase import check_reach, open_server
from clickstream.operations.erasure.lookup import MOST_IDS, UserDataFinder
from clickstream.operations.erasure.releases import delete_from_releases
from clickstream.operations.erasure.subject import DataSubject
from clickstream.operations.erasure.sync_from_kafka import sync_from_kafka
from core.clickhouse.admin import Server
from core.clickhouse.client import database_of
from core.clickhouse.lease import lease
from core.clock import Clock
from core.errors import SinkUnavailable
from core.settings import Settings


def reapply(settings: Settings, clock: Clock, seconds: float, log: Log) -> Mapping[str, int]:
    """Read the erasures from Kafka, and delete the rows of erased users and sessions.

    Returns the deleted rows by table. Blocks. Raises as `erase` does.
    """
    deadline = Deadline(clock, seconds)
    with lease(settings) as check_lease, open_server(settings, seconds, deadline) as server:
        deleted = apply_erasures(settings, server, clock, log, check_lease)
        if files := delete_from_releases(settings, clock, deadline):
            log(f"{files} files of releases are deleted")
        return deleted


def apply_erasures(
    settings: Settings,
    server: Server,
    clock: Clock,
    log: Log,
    check_lease: Callable[[], None],
    *,
    from_kafka: bool = True,
) -> Mapping[str, int]:
    """The same under a lease that the caller holds; without `from_kafka` only what the tables know
    themselves."""
    if from_kafka:
        added = sync_from_kafka(settings, server, clock)
        log(f"{added} erasures were in Kafka and not in ClickHouse")
    check_lease()
    return delete_erased(settings, server, check_lease)


def delete_erased(
    settings: Settings, server: Server, check_lease: Callable[[], None]
) -> Mapping[str, int]:
    """Delete the rows of every erasure that ClickHouse knows; returns deleted rows by table.

    Reads every session id of every table, twice or more: the last search has found nothing, and the
    rows are counted, deleted ones included. Raises SinkUnavailable when some are left. What workers
    write meanwhile of erased sessions they take back themselves.
    """
    live = database_of(settings)
    if not server.number(queries.ANYBODY_ERASED, live=live):
        return {}
    everybody = DataSubject([], [], 0, every=True)
    finder = UserDataFinder(server, live, everybody)
    finder.check_tables()
    deleter = Deleter(server, finder, live, everybody)
    for database in finder.databases[1:]:
        server.start_merges(database)
    while True:
        check_lease()
        residual = finder.residual_sessions()
        found = _sessions_of_erased_users(server, finder, live)
        if residual is None:
            deleter.mask_rows(None)
        deleter.mask_rows(sorted(found.union(residual or ())))
        if residual is not None and not residual and not found:
            break
    check_lease()
    deleter.remove_from_disk()
    if remaining := deleter.count_remaining(None):
        raise SinkUnavailable(
            f"rows of erased users are left in {', '.join(remaining)}: run this again"
        )
    check_reach(finder)
    return deleter.deleted


def _sessions_of_erased_users(server: Server, finder: UserDataFinder, live: str) -> set[str]:
    """At most `MOST_IDS` of each table: those that are deleted are not found again."""
    return {
        str(id_)
        for database, table in finder.tables_of_sessions()
        for (id_,) in server.rows_of_replicas(
            queries.SESSIONS_OF_ERASED, database=database, table=table, live=live, most=MOST_IDS
        )
    }
