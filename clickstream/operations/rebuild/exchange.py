"""The moment of the swap: the old tables out, the last records read, the rebuilt tables in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from clickstream.operations.progress import Progress
from clickstream.operations.rebuild import queries
from clickstream.operations.rebuild.bounded_retry import Patience
from clickstream.operations.rebuild.databases import Databases
from clickstream.operations.rebuild.erasures import take_erasures_back
from clickstream.operations.rebuild.in_progress import running_inserts
from clickstream.operations.rebuild.log import Log, Offsets
from clickstream.operations.rebuild.rebuild import Rebuild
from clickstream.operations.rebuild.swap import put_in_place, settle, take_away
from core.clickhouse.admin import Server
from core.clock import Clock

# How long to try to make the tables whole again when ClickHouse goes away during the swap, seconds.
_SETTLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The world when the old tables had been taken away.

    Up to `committed` they are complete. `on_their_way` counts the records from there to the end of
    the log; `inserts` are those that were still under way into them.
    """

    committed: Offsets
    on_their_way: int
    inserts: frozenset[str]
    pause_seconds: float


def exchange(
    server: Server,
    databases: Databases,
    log: Log,
    rebuild: Rebuild,
    clock: Clock,
    progress: Progress,
    kept: str,
) -> Exchanged:
    """Swap. When it fails, the live tables are whole all the same: all old, or all new."""
    began = clock.monotonic()
    with _made_whole(server, databases, kept, progress.say):
        take_away(server, databases)
        progress.say("the old tables are away: workers wait, reads answer 503")
        inserts = running_inserts(server, databases)
        # The ends after the renaming: whatever a worker has written into the old tables since the
        # shadow was filled, it had read from before these. And after the commits, which therefore
        # do not lie beyond them.
        committed = log.committed()
        ends = log.ends()
        rebuild.read_to(ends, progress)
        server.command(queries.KEEP_MOMENTS, shadow=databases.shadow, retired=databases.retired)
        take_erasures_back(server, databases)
        progress.say("the rebuilt tables have caught up")
        put_in_place(server, databases)
    on_their_way = sum(max(0, end - committed.get(place, 0)) for place, end in ends.items())
    return Exchanged(committed, on_their_way, inserts, clock.monotonic() - began)


def retire(server: Server, databases: Databases, kept: str, *, stay: bool) -> str | None:
    """Drop the old tables, or put them where no later replay looks; the name of that place."""
    if not stay:
        server.drop(databases.retired)
        return None
    server.rename(databases.retired, kept)
    return kept


@contextmanager
def _made_whole(
    server: Server, databases: Databases, kept: str, say: Callable[[str], None]
) -> Iterator[None]:
    """Whatever goes wrong in between, the live tables are whole at the end."""
    try:
        yield
    except BaseException:
        try:
            Patience(_SETTLE_SECONDS)(lambda: settle(server, databases, kept, say))
        except BaseException:
            say("THE TABLES ARE AWAY. Run `clickstream replay --recover` once ClickHouse answers")
            raise
        raise
