"""What was erased stays so: a rebuild knows of every erasure before it reads its first record."""

from __future__ import annotations

from clickstream.operations.erasure.erase import open_server
from clickstream.operations.erasure.reapply import delete_erased
from clickstream.operations.erasure.sync_from_kafka import sync_from_kafka
from clickstream.operations.progress import Progress
from clickstream.operations.rebuild import queries
from clickstream.operations.rebuild.databases import Databases
from core.clickhouse.admin import Server
from core.clock import Clock
from core.settings import Settings

# Reading and rewriting tables, after a restore. Seconds.
_LONGEST_SECONDS = 24 * 3600.0

_TABLES = ("erasures", "erased_sessions", "erased_dead_letters")


def recall_erasures(settings: Settings, clock: Clock, progress: Progress) -> None:
    """Into the live tables, which are older than the topic when they come out of a backup: what
    they still hold of erased users must neither be copied nor be missed when they are compared."""
    with open_server(settings, _LONGEST_SECONDS) as server:
        if sync_from_kafka(settings, server, clock):
            progress.say("Kafka remembers erasures that the tables did not know: they are applied")
            delete_erased(settings, server)


def hand_erasures_over(server: Server, databases: Databases) -> None:
    """To the shadow tables, where the rebuild's flushes look for them."""
    for table in _TABLES:
        _copy(server, table, databases.live, databases.shadow)


def take_erasures_back(server: Server, databases: Databases) -> None:
    """What the rebuild has found out itself: sessions whose records had not been read before."""
    for table in _TABLES:
        _copy(server, table, databases.shadow, databases.live)


def _copy(server: Server, table: str, source: str, target: str) -> None:
    server.command(queries.add_missing(table), source=source, target=target)
