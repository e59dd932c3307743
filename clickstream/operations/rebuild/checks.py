"""What must hold before a replay may begin, or end."""

from __future__ import annotations

from clickstream.operations.rebuild import queries
from clickstream.operations.rebuild.bounds import Bounds
from clickstream.operations.rebuild.compare import remembered_otherwise
from clickstream.operations.rebuild.databases import TABLES, Databases
from clickstream.operations.rebuild.log import Log, Offsets
from clickstream.operations.rebuild.swap import look
from core.clickhouse.admin import Server
from core.errors import SetupError
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.migrate import pending
from schemas.topics import Topics
from stream_processors.join import table_columns

Furthest = dict[tuple[Partition, int], int]
"""(partition, epoch) → the highest offset that has a row."""


def check_tables(settings: Settings, server: Server, databases: Databases) -> None:
    """The live tables are all there, up to date, and feed nobody. Raises SetupError."""
    if waiting := pending(settings):
        raise SetupError(f"{waiting[0]} is not applied: run `clickstream migrate` first")
    missing = set(TABLES) - look(server, databases).live
    if missing:
        raise SetupError(
            f"{', '.join(sorted(missing))} is missing in {databases.live}: run"
            " `clickstream migrate`, which makes again what is missing, then replay"
        )
    if fed := server.rows(queries.FED, live=databases.live, tables=list(TABLES)):
        table, views = fed[0]
        raise SetupError(
            f"{table} feeds {views}, which a swap would leave behind on the old table: drop it,"
            " and make it again after the replay"
        )


def check_migrations(server: Server, databases: Databases) -> None:
    """Nobody has migrated the live tables since the shadow was made. Raises SetupError."""
    if server.number(queries.MIGRATIONS_DIFFER, live=databases.live, shadow=databases.shadow):
        raise SetupError("the tables were migrated during the replay: start it again")


def furthest(server: Server, databases: Databases, topics: Topics) -> Furthest:
    """How far the stored rows reach."""
    topic_of = {
        table_columns.SESSIONS: topics.sessions,
        table_columns.EVENTS: topics.events,
        table_columns.UNJOINED: topics.events,
        table_columns.MARKS: topics.marks,
    }
    reached: Furthest = {}
    for table, topic in topic_of.items():
        for epoch, partition, offset in server.rows(queries.furthest(table), live=databases.live):
            place = (Partition(topic, partition), epoch)
            reached[place] = max(offset, reached.get(place, -1))
    return reached


def check_reach(reached: Furthest, epoch: int, ends: Offsets, *, keeps_older: bool) -> None:
    """The rows come from this log, and none of them would be lost. Pure. Raises SetupError."""
    for (place, of_epoch), offset in sorted(reached.items()):
        name = f"{place.topic}/{place.partition}"
        if of_epoch > epoch:
            raise SetupError(
                f"ClickHouse has rows of epoch {of_epoch} of {name}, and CLICKSTREAM_TOPICS__EPOCH"
                f" is {epoch}: set it as the workers have it"
            )
        if of_epoch == epoch and offset >= ends.get(place, 0):
            raise SetupError(
                f"ClickHouse has a row from {name}@{offset}, and that log ends at"
                f" {ends.get(place, 0)}: it is another Kafka, or the topics were made anew. A"
                " replay would lose rows; see CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS and"
                " CLICKSTREAM_TOPICS__EPOCH"
            )
        if of_epoch < epoch and not keeps_older:
            raise SetupError(
                f"ClickHouse has rows of epoch {of_epoch} of {name}, from before the topics were"
                " made anew: the log no longer has them. --from offset:0 keeps them and rebuilds"
                " the rest"
            )


def check_memories(server: Server, databases: Databases, log: Log, bounds: Bounds) -> None:
    """The running workers remember the sessions as the shadow has them. Raises SetupError."""
    changed = remembered_otherwise(server, databases, bounds)
    if changed and (workers := log.workers()):
        raise SetupError(
            f"{changed} stored sessions come out differently (another day window, or damaged"
            f" tables?), and {workers} running workers remember them as they were: stop the"
            " workers, replay, and start them again. The edge may go on"
        )
