"""One replay into the live tables, from the first check to the last.

docs/decisions/0006-replay-into-the-live-tables.md has the argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clickstream.operations.erasure.erase import open_server as open_eraser
from clickstream.operations.erasure.reapply import delete_erased
from clickstream.operations.erasure.sync_from_kafka import sync_from_kafka
from clickstream.operations.log_offsets import LogOffsets, Offsets
from clickstream.operations.replay import queries
from clickstream.operations.replay.bounds import Bounds
from clickstream.operations.replay.checks import (
    TABLES,
    check_days,
    check_older,
    check_reach,
    check_tables,
    furthest,
)
from clickstream.operations.replay.coverage import Plan, extents_of, plan
from clickstream.operations.replay.log_to_tables import log_to_tables, wait_for_server
from clickstream.operations.replay.resume import resume_point
from clickstream.operations.replay.start_point import Origin
from clickstream.progress import ProgressReporter
from core.clickhouse import database_of
from core.clickhouse.admin import Server, open_server
from core.clickhouse.lease import lease
from core.clock import Clock
from core.settings import Settings
from schemas.topic_epochs import at_present_epoch
from schemas.topics import Topics

# Reading and rewriting tables, after a restore. Seconds.
_LONGEST_SECONDS = 24 * 3600.0

Rows = Mapping[str, int]
"""By table, how many rows a reader finds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay did. `resumed`: it went on with one that was cut short.

    `on_two_days` counts sessions that were posted again on another day while their first post was
    missing: they are there twice, until somebody replays with `--fresh`.
    """

    origin: Origin
    records: int
    seconds: float
    before: Rows
    after: Rows
    resumed: bool = False
    on_two_days: int = 0


def preview(settings: Settings, origin: Origin, *, fresh: bool = False) -> Plan:
    """What `replay` would read. Changes nothing; raises the same refusals."""
    settings = at_present_epoch(settings)
    with open_server(settings) as server:
        check_tables(settings)
        return planned(settings, server, LogOffsets(settings), origin, fresh=fresh)


def replay(
    settings: Settings,
    origin: Origin,
    clock: Clock,
    progress: ProgressReporter,
    *,
    restart: bool = False,
) -> Outcome:
    """Write the rows of the log again, while everybody goes on working. Blocks for hours, perhaps.

    Goes on where the same replay was cut short, unless `restart`. Raises SetupError when the range
    is not covered or a check fails, Unavailable when a server stays away.
    """
    settings = at_present_epoch(settings)
    started = clock.monotonic()
    live = database_of(settings)
    with lease(settings) as check_lease, open_server(settings) as server:
        check_tables(settings)
        sync_erasures(settings, clock, progress, check_lease)
        wanted = planned(settings, server, LogOffsets(settings), origin, fresh=False)
        before = count_rows(server, live)
        with (
            resume_point(settings, origin) as progress_kept,
            log_to_tables(settings, clock) as log,
        ):
            starts = wanted.starts
            if not restart:
                starts = progress_kept.load(starts, wanted.ends)

            def written(reached: Offsets) -> None:
                check_lease()
                wait_for_server(lambda: progress_kept.save(reached))

            resumed = starts != wanted.starts
            if resumed:
                progress.say("a replay from there was cut short: it goes on where it was")
            log.copy(starts, wanted.ends, progress, written)
            progress_kept.clear(wanted.ends)
        return Outcome(
            origin,
            log.records,
            clock.monotonic() - started,
            before,
            count_rows(server, live),
            resumed,
            log.on_two_days,
        )


def planned(
    settings: Settings, server: Server, log: LogOffsets, origin: Origin, *, fresh: bool
) -> Plan:
    """What is to be read. Raises SetupError when these tables and this log do not allow it."""
    live, topics = database_of(settings), Topics.from_settings(settings)
    epoch = settings.topics.epoch
    # The rows before the ends: a row can then only be from beyond the end of another log.
    reached = furthest(server, live, topics)
    found = plan(origin, extents_of(log, origin))
    check_reach(reached, epoch, found.ends)
    if fresh:
        check_older(reached, epoch, keeps_older=found.keeps_older)
    else:
        check_days(settings, server, live, Bounds(topics, epoch, found.starts))
    return found


def sync_erasures(
    settings: Settings,
    clock: Clock,
    progress: ProgressReporter,
    check_lease: Callable[[], None],
) -> None:
    """Read the topic of erasures into the live tables, which are older than it when they come out
    of a backup, and delete what they still hold of erased users."""
    with open_eraser(settings, _LONGEST_SECONDS) as server:
        if sync_from_kafka(settings, server, clock):
            progress.say("Kafka remembers erasures that the tables did not know: they are applied")
            delete_erased(settings, server, check_lease)


def count_rows(server: Server, live: str) -> Rows:
    """Of the tables that a replay writes."""
    return {table: server.number(queries.rows(table), live=live) for table in TABLES}
