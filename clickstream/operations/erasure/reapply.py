"""Apply every published erasure again. Tables from a backup may be older than an erasure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.deadline import Deadline
from clickstream.operations.erasure.delete import Deleter
from clickstream.operations.erasure.erase import Log, open_server
from clickstream.operations.erasure.lookup import UserDataFinder
from clickstream.operations.erasure.subject import DataSubject
from clickstream.operations.erasure.sync_from_kafka import sync_from_kafka
from core.clickhouse.admin import Server
from core.clickhouse.client import database_of
from core.clickhouse.id_batches import id_batches
from core.clickhouse.lease import lease
from core.clock import Clock
from core.settings import Settings


def reapply(settings: Settings, clock: Clock, seconds: float, log: Log) -> Mapping[str, int]:
    """Read the erasures from Kafka, and delete the rows of erased users and sessions.

    Returns the deleted rows by table. Blocks. Raises as `erase` does.
    """
    deadline = Deadline(clock, seconds)
    with lease(settings) as check_lease, open_server(settings, seconds, deadline) as server:
        return apply_erasures(settings, server, clock, log, check_lease)


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
    return delete_erased(settings, server)


def delete_erased(settings: Settings, server: Server) -> Mapping[str, int]:
    """Delete the rows of every erasure that ClickHouse knows; returns deleted rows by table.

    Reads every session id of every table.
    """
    live = database_of(settings)
    users = [str(each).lower() for (each,) in server.rows(queries.ERASED_USERS, live=live)]
    deleted: Counter[str] = Counter()
    for user_hashes in id_batches(users):
        subject = DataSubject([], user_hashes, 0)
        finder = UserDataFinder(server, live, subject)
        deleter = Deleter(server, finder, live, subject)
        found = finder.residual_sessions() | _sessions_of_erased_users(server, finder, live)
        deleter.mask_rows(sorted(found))
        deleter.remove_from_disk()
        deleted += deleter.deleted
    return deleted


def _sessions_of_erased_users(server: Server, finder: UserDataFinder, live: str) -> set[str]:
    return {
        str(id_)
        for database in finder.databases
        for (id_,) in server.rows(queries.SESSIONS_OF_ERASED, database=database, live=live)
    }
