"""Every erasure that was ever announced, once more: tables out of a backup may be older."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.delete import Deleter
from clickstream.operations.erasure.erase import Say, alone, open_server
from clickstream.operations.erasure.lookup import Finder
from clickstream.operations.erasure.subject import Target
from clickstream.operations.erasure.sync_from_kafka import recall
from core.clickhouse.admin import Server
from core.clickhouse.client import database_of
from core.clickhouse.id_batches import id_batches
from core.clock import Clock
from core.settings import Settings


def reapply(settings: Settings, clock: Clock, seconds: float, say: Say) -> Mapping[str, int]:
    """Read the erasures from Kafka, delete what is there all the same; rows deleted, by table.

    Blocks. Nothing of anybody who was erased is in a table when it returns. Raises as
    `clickstream.operations.erasure.erase.erase`.
    """
    with alone(settings), open_server(settings, seconds) as server:
        added = recall(settings, server, clock)
        say(f"{added} erasures were in Kafka and not in ClickHouse")
        return delete_erased(settings, server)


def delete_erased(settings: Settings, server: Server) -> Mapping[str, int]:
    """Delete what ClickHouse knows to be erased, by reading every id; rows deleted, by table."""
    live = database_of(settings)
    users = [str(each).lower() for (each,) in server.rows(queries.ERASED_USERS, live=live)]
    deleted: Counter[str] = Counter()
    for user_hashes in id_batches(users):
        target = Target([], user_hashes, 0)
        finder = Finder(server, live, target)
        deleter = Deleter(server, finder, live, target)
        deleter.suppress(sorted(finder.left_behind() | _found_by_user(server, finder, live)))
        deleter.purge()
        deleted += deleter.deleted
    return deleted


def _found_by_user(server: Server, finder: Finder, live: str) -> set[str]:
    return {
        str(id_)
        for database in finder.databases
        for (id_,) in server.rows(queries.SESSIONS_OF_ERASED, database=database, live=live)
    }
