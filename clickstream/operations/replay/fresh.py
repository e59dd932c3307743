"""Tables made anew beside the live ones, and exchanged with them while no worker runs.

For rows that come out differently than they are stored, because derivation has changed: these a
replay into the live tables would add, and not replace.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from clickstream.operations.log_offsets import LogOffsets
from clickstream.operations.replay import queries
from clickstream.operations.replay.bounds import Bounds
from clickstream.operations.replay.checks import TABLES, check_tables
from clickstream.operations.replay.log_to_tables import log_to_tables
from clickstream.operations.replay.run import Outcome, count_rows, planned, sync_erasures
from clickstream.operations.replay.start_point import Origin
from clickstream.progress import ProgressReporter
from core.clickhouse import database_of, on_database
from core.clickhouse.admin import Owner, Purpose, Server, open_server
from core.clickhouse.lease import lease
from core.clock import Clock
from core.errors import ClickstreamError, SetupError
from core.settings import Settings
from schemas.cluster_sql import distributed_table, empty_copy, exchange
from schemas.topic_epochs import at_present_epoch
from schemas.topics import Topics
from stream_processors.join import table_columns

# What a flush looks into before it writes.
_ERASURES: Final = ("erasures", table_columns.ERASED_SESSIONS, "erased_dead_letters")

# What is exchanged: the facts are computed as the new tables are filled.
_EXCHANGED: Final = (table_columns.FACTS, *TABLES)

_BY_DAY: Final = frozenset({table_columns.SESSIONS, table_columns.EVENTS})


def replay_fresh(
    settings: Settings, origin: Origin, clock: Clock, progress: ProgressReporter
) -> Outcome:
    """Rebuild the tables from the log and exchange them. Blocks. The edge may go on.

    Raises SetupError when a worker runs, the range is not covered or a check fails, Unavailable
    when a server stays away. After any error: run it again.
    """
    settings = at_present_epoch(settings)
    started = clock.monotonic()
    live, fresh = database_of(settings), fresh_database(settings)
    with lease(settings) as check_lease, open_server(settings) as server:
        log = LogOffsets(settings)
        check_stopped(log)
        check_tables(settings)
        _check_feeds_nobody(server, live)
        sync_erasures(settings, clock, progress, check_lease)
        wanted = planned(settings, server, log, origin, fresh=True)
        before = count_rows(server, live)
        with _tables_beside(server, live, fresh):
            if wanted.keeps_older:
                bounds = Bounds(
                    Topics.from_settings(settings), settings.topics.epoch, wanted.starts
                )
                _copy_older(server, live, fresh, bounds, progress, check_lease)
            with log_to_tables(on_database(settings, fresh), clock) as reading:
                reading.copy(wanted.starts, wanted.ends, progress, lambda _: check_lease())
                if wanted.keeps_older:
                    progress.say("computing the facts of all sessions")
                    reading.compute_facts(settings.topics.partitions)
            server.command(queries.COPY_LETTERS, live=live, fresh=fresh)
            for table in _ERASURES:
                server.command(queries.add_missing(table), source=fresh, target=live)
            mutations = server.layout.all_nodes("system.mutations")
            unfinished = queries.OPEN_MUTATIONS.replace("$mutations", mutations)
            if server.number(unfinished, fresh=server.shard_database(fresh)):
                raise SetupError(
                    "deletions are under way in the new tables, and would look for the others in"
                    " vain after the exchange: run it again"
                )
            _exchange(server, log, live, fresh, check_lease)
        return Outcome(
            origin,
            reading.records,
            clock.monotonic() - started,
            before,
            count_rows(server, live),
        )


def fresh_database(settings: Settings) -> str:
    """The database that holds the tables while they are made."""
    return f"{database_of(settings)}_fresh"


def check_stopped(log: LogOffsets) -> None:
    """No worker runs. Raises SetupError."""
    if workers := log.workers():
        raise SetupError(
            f"{workers} workers are running, and would write by the old derivation: stop them,"
            " replay, and start them again. The edge may go on"
        )


def _check_feeds_nobody(server: Server, live: str) -> None:
    database = server.shard_database(live)
    if fed := server.rows(queries.FED, live=database, tables=list(TABLES)):
        table, views = fed[0]
        raise SetupError(
            f"{table} feeds {views}, which would stay behind on the old table: drop it, and make it"
            " again after the replay"
        )


@contextmanager
def _tables_beside(server: Server, live: str, fresh: str) -> Iterator[None]:
    """Empty tables like the live ones, and the erasures. Whatever is there at the end is dropped:
    the old tables, or tables that are not complete."""
    owner = Owner(live, Purpose.FRESH_TABLES)
    server.drop(fresh, owner)
    server.create(fresh, owner)
    try:
        here, there = server.layout_of(live), server.layout_of(fresh)
        # Besides these, two that only this replay writes to.
        noted = (table_columns.FACTS_PROGRESS, table_columns.LATE_JOINS)
        for table in (*noted, *_EXCHANGED, *_ERASURES):
            for statement in (empty_copy(table, here, there), *distributed_table(table, there)):
                server.command(statement)
        for table in _ERASURES:
            server.command(queries.add_missing(table), source=live, target=fresh)
        yield
    finally:
        # The next one drops it when ClickHouse is away: that must not hide what happened.
        with contextlib.suppress(ClickstreamError):
            server.drop(fresh, owner)


def _copy_older(
    server: Server,
    live: str,
    fresh: str,
    before: Bounds,
    progress: ProgressReporter,
    check_lease: Callable[[], None],
) -> None:
    """Copy the rows from before the start of the replay."""
    parameters = {"live": live, "fresh": fresh, **before.parameters()}
    for table in TABLES:
        check_lease()
        if table not in _BY_DAY:
            server.command(queries.copy_older(table, by_day=False), **parameters)
            continue
        days = server.rows(queries.days(table), live=live)
        with progress.over(f"copying older rows of {table}, days", len(days)) as advance:
            for (day,) in days:
                server.command(queries.copy_older(table, by_day=True), day=day, **parameters)
                check_lease()
                advance(1)


def _exchange(
    server: Server, log: LogOffsets, live: str, fresh: str, check_lease: Callable[[], None]
) -> None:
    """Table by table. When it is cut short, each table is an old one or a new one, and complete."""
    check_stopped(log)
    committed = log.committed()
    for table in _EXCHANGED:
        check_lease()
        server.command(exchange(table, server.layout_of(fresh), server.layout_of(live)))
    if log.workers() or log.committed() != committed:
        raise SetupError(
            "a worker was started while the tables were exchanged, and may have written into the"
            " old ones: run `clickstream replay --from earliest` (or from before that moment)"
        )
