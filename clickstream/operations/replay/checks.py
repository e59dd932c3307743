"""What must hold before a replay may begin."""

from __future__ import annotations

from typing import Final

from clickstream.operations.log_offsets import Offsets
from clickstream.operations.replay import queries
from clickstream.operations.replay.bounds import Bounds
from core.clickhouse.admin import Server
from core.errors import SetupError
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.migrate import pending
from schemas.topics import Topics
from stream_processors.join import table_columns

TABLES: Final = (
    table_columns.MARKS,
    table_columns.EVENTS,
    table_columns.UNJOINED,
    table_columns.DEAD_LETTERS,
    table_columns.SESSIONS,
)
"""What a replay writes."""

Furthest = dict[tuple[Partition, int], int]
"""(partition, epoch) → the highest offset that has a row."""


def check_tables(settings: Settings) -> None:
    """The live tables are all there and up to date. Raises SetupError."""
    if waiting := pending(settings):
        raise SetupError(
            f"{waiting[0]} is not applied: run `clickstream migrate`, which makes again what is"
            " missing, then replay"
        )


def furthest(server: Server, live: str, topics: Topics) -> Furthest:
    """How far the stored rows reach."""
    topic_of = {
        table_columns.SESSIONS: topics.sessions,
        table_columns.EVENTS: topics.events,
        table_columns.UNJOINED: topics.events,
        table_columns.MARKS: topics.marks,
    }
    reached: Furthest = {}
    for table, topic in topic_of.items():
        for epoch, partition, offset in server.rows(queries.furthest(table), live=live):
            key = (Partition(topic, partition), epoch)
            reached[key] = max(offset, reached.get(key, -1))
    return reached


def check_reach(reached: Furthest, epoch: int, ends: Offsets) -> None:
    """The rows come from this log. Pure. Raises SetupError."""
    for (partition, of_epoch), offset in sorted(reached.items()):
        name = f"{partition.topic}/{partition.partition}"
        if of_epoch > epoch:
            raise SetupError(
                f"ClickHouse has rows of epoch {of_epoch} of {name}, and CLICKSTREAM_TOPICS__EPOCH"
                f" is {epoch}: set it as the workers have it"
            )
        if of_epoch == epoch and offset >= ends.get(partition, 0):
            raise SetupError(
                f"ClickHouse has a row from {name}@{offset}, and that log ends at"
                f" {ends.get(partition, 0)}: it is another Kafka, or the topics were made anew;"
                " see CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS and CLICKSTREAM_TOPICS__EPOCH"
            )


def check_older(reached: Furthest, epoch: int, *, keeps_older: bool) -> None:
    """Fresh tables will lack no row of an older epoch. Pure. Raises SetupError."""
    for (partition, of_epoch), _ in sorted(reached.items()):
        if of_epoch < epoch and not keeps_older:
            raise SetupError(
                f"ClickHouse has rows of epoch {of_epoch} of {partition.topic}, from before the"
                " topics were made anew: the log no longer has them. --from offset:0 keeps them and"
                " rebuilds the rest"
            )


def check_days(settings: Settings, server: Server, live: str, before: Bounds) -> None:
    """What is read will get the day that it is stored with: on another day it would be there twice.
    Raises SetupError."""
    changed = server.number(
        queries.OTHER_DAYS,
        live=live,
        past=settings.worker.day_window_past,
        future=settings.worker.day_window_future,
        **before.parameters(),
    )
    if changed:
        raise SetupError(
            f"{changed} stored sessions have another day than CLICKSTREAM_WORKER__DAY_WINDOW_PAST"
            " and _FUTURE give them now: set these as they were, or stop the workers and replay"
            " with --fresh"
        )
