"""One replay, from the first check to the last: the order of its steps is what makes it right.

docs/decisions/0006-replay-into-shadow-tables.md has the argument.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from clickstream.operations.progress import Progress
from clickstream.operations.rebuild.bounds import Bounds
from clickstream.operations.rebuild.checks import (
    check_memories,
    check_migrations,
    check_reach,
    check_tables,
    furthest,
)
from clickstream.operations.rebuild.compare import Compared, compare
from clickstream.operations.rebuild.coverage import Plan, plan
from clickstream.operations.rebuild.databases import Databases
from clickstream.operations.rebuild.erasures import hand_erasures_over, recall_erasures
from clickstream.operations.rebuild.exchange import Exchanged, exchange, retire
from clickstream.operations.rebuild.in_progress import until_inserts_end, until_mutations_end
from clickstream.operations.rebuild.log import Log, Offsets
from clickstream.operations.rebuild.rebuild import Rebuild, rebuilding
from clickstream.operations.rebuild.shadow import clear, keep_older, shadow_tables
from clickstream.operations.rebuild.start_point import Origin
from clickstream.operations.rebuild.swap import Remedy, settle
from core.clickhouse.admin import Server, open_server
from core.clickhouse.lease import lease
from core.clock import Clock
from core.errors import SetupError
from core.settings import Settings
from schemas.topics import Topics

# Between two looks at tables that differ while traffic flows, seconds.
_LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay did. `pause_seconds` is how long nobody could read or write.

    `tables` compares all rows but those of `on_their_way` records: what the workers had not
    committed at the swap. `kept` names the database that still has the old tables, if any does.
    """

    origin: Origin
    records: int
    seconds: float
    pause_seconds: float
    on_their_way: int
    tables: tuple[Compared, ...]
    kept: str | None

    @property
    def equal(self) -> bool:
        return all(table.equal for table in self.tables)


def recover(settings: Settings, clock: Clock, progress: Progress) -> Remedy:
    """Make the live tables whole after a replay that was killed; nothing when there was none.

    Raises SetupError while a replay is running, SinkUnavailable.
    """
    with lease(settings), open_server(settings) as server:
        return _recover(server, Databases.from_settings(settings), clock, progress)


def preview(settings: Settings, origin: Origin) -> Plan:
    """What `replay` would read. Changes nothing; raises the same refusals."""
    with open_server(settings) as server:
        databases = Databases.from_settings(settings)
        if server.has(databases.retired):
            raise SetupError("a replay is in its swap, or was cut short there: run with --recover")
        check_tables(settings, server, databases)
        return _plan(settings, server, databases, Log(settings), origin)


def replay(
    settings: Settings, origin: Origin, clock: Clock, progress: Progress, *, keep_old: bool = False
) -> Outcome:
    """Rebuild the tables from the log and swap them in, while everybody goes on working.

    Blocks for as long as it takes. Raises SetupError when the range is not covered or a check
    fails, Unavailable when a server stays away; the live tables are then what they were, unless a
    line that was said tells otherwise.
    """
    started = clock.monotonic()
    with lease(settings) as check_lease, open_server(settings) as server:
        databases = Databases.from_settings(settings)
        _recover(server, databases, clock, progress)
        check_tables(settings, server, databases)
        log = Log(settings)
        recall_erasures(settings, clock, progress)
        planned = _plan(settings, server, databases, log, origin)
        kept = databases.kept(clock.now_ms())
        with _rebuilt(settings, server, databases, log, planned, clock, progress) as rebuild:
            check_lease()
            check_migrations(server, databases)
            exchanged = exchange(server, databases, log, rebuild, clock, progress, kept)
        progress.say(f"the rebuilt tables are in place, after {exchanged.pause_seconds:.2f} s")
        tables = _compared(settings, server, databases, exchanged, clock)
        equal = all(table.equal for table in tables)
        stays = retire(server, databases, kept, stay=keep_old or not equal)
    return Outcome(
        origin,
        rebuild.records,
        clock.monotonic() - started,
        exchanged.pause_seconds,
        exchanged.on_their_way,
        tables,
        stays,
    )


def _recover(server: Server, databases: Databases, clock: Clock, progress: Progress) -> Remedy:
    done = settle(server, databases, databases.kept(clock.now_ms()), progress.say)
    if server.has(databases.shadow):
        progress.say("a replay was cut short: what is left of its rebuilt tables is dropped")
        clear(server, databases)
    return done


def _plan(
    settings: Settings, server: Server, databases: Databases, log: Log, origin: Origin
) -> Plan:
    # The rows before the ends: a row can then only be from beyond the end of another log.
    reached = furthest(server, databases, Topics.from_settings(settings))
    planned = plan(origin, log.extents(origin))
    check_reach(reached, settings.topics.epoch, planned.ends, keeps_older=planned.keeps_older)
    return planned


@contextmanager
def _rebuilt(
    settings: Settings,
    server: Server,
    databases: Databases,
    log: Log,
    planned: Plan,
    clock: Clock,
    progress: Progress,
) -> Iterator[Rebuild]:
    """Shadow tables that lack only what came within the last moment."""
    with shadow_tables(settings, server, databases) as shadow:
        hand_erasures_over(server, databases)
        if planned.keeps_older:
            keep_older(server, databases, _bounds(settings, planned.starts), progress)
        with rebuilding(shadow, planned.starts, clock) as rebuild:
            rebuild.read_to(planned.ends, progress)
            # What is committed before the ends are asked for lies below them, so that both sides
            # have it: the live tables and, at the end of this reading, the shadow.
            committed = log.committed()
            rebuild.read_to(log.ends(), progress)
            rebuild.sweep()
            check_memories(server, databases, log, _bounds(settings, committed))
            rebuild.catch_up(log, progress)
            until_mutations_end(server, databases)
            yield rebuild


def _compared(
    settings: Settings, server: Server, databases: Databases, exchanged: Exchanged, clock: Clock
) -> tuple[Compared, ...]:
    until_inserts_end(server, databases, exchanged.inserts)
    bounds = _bounds(settings, exchanged.committed)
    return compare(
        server, databases, bounds, clock.now_ms(), lambda: time.sleep(_LOOK_AGAIN_SECONDS)
    )


def _bounds(settings: Settings, offsets: Offsets) -> Bounds:
    return Bounds(Topics.from_settings(settings), settings.topics.epoch, offsets)
