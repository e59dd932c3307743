"""One erasure, from the announcement to the proof: the order of its steps is what makes it right.

docs/decisions/0010-erasure.md has the argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.deadline import Deadline
from clickstream.operations.erasure.delete import Deleter
from clickstream.operations.erasure.drain import until_heeded
from clickstream.operations.erasure.lookup import Finder
from clickstream.operations.erasure.subject import Target
from clickstream.operations.erasure.tombstones import TombstonePublisher
from clickstream.operations.rebuild.databases import Databases
from core.clickhouse.admin import Server
from core.clickhouse.client import connect, database_of
from core.clickhouse.lease import lease
from core.clock import Clock
from core.errors import Overloaded, SetupError, SinkUnavailable
from core.settings import Settings
from core.user_ids import UserIds
from schemas.erasures import session_hash

Say = Callable[[str], None]

_BUSY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """What an erasure would find now."""

    sessions: int
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an erasure did. No row is left when there is one.

    `sessions` counts those of this user that are erased by now, `deleted` rows of this run by
    table. `kept` names databases that keep old tables of a replay: they were erased from as well.
    """

    user_hash: str
    cut_off: int
    sessions: int
    deleted: Mapping[str, int]
    kept: tuple[str, ...]
    seconds: float


def preview(settings: Settings, user_id: str, clock: Clock, seconds: float) -> Preview:
    """Changes nothing. Raises SinkUnavailable."""
    target = _target(settings, user_id, clock)
    with open_server(settings, seconds) as server:
        live = database_of(settings)
        finder = Finder(server, live, target)
        ids = sorted(finder.sessions() | finder.left_behind())
        rows = Deleter(server, finder, live, target).left(ids)
        return Preview(len(ids), dict(rows))


def erase(
    settings: Settings,
    user_id: str,
    *,
    requested_by: str | None,
    clock: Clock,
    seconds: float,
    say: Say,
) -> Outcome:
    """Erase what the edge took from this user until now, and prove it. Blocks, for some `seconds`.

    Raises Unavailable when a server is away, when another erasure or a replay is under way, or when
    the time is over: what was done stays done, and doing it again completes it.
    """
    started = clock.monotonic()
    deadline = Deadline(clock, seconds)
    with alone(settings), open_server(settings, seconds) as server:
        _check_no_swap_is_open(settings, server)
        target = _target(settings, user_id, clock)
        live = database_of(settings)
        finder = Finder(server, live, target)
        deleter = Deleter(server, finder, live, target)
        announcer = TombstonePublisher(settings, server, target, requested_by, clock)
        announcer.users()
        say("the erasure is announced: nothing of this user is stored any more")
        ids = _suppress_all(settings, server, finder, deleter, announcer, deadline, say)
        deleter.purge()
        if left := deleter.left(ids):
            raise deadline.passed(f"rows are left in {', '.join(left)}")
        say("the deleted rows are gone from the disk")
        sessions = len(finder.erased(queries.ERASED_SESSIONS))
        _log(server, live, target, requested_by, sessions, deleter.deleted, clock)
    return Outcome(
        target.user_hashes[0],
        target.cut_off,
        sessions,
        dict(deleter.deleted),
        finder.databases[1:],
        clock.monotonic() - started,
    )


def _suppress_all(
    settings: Settings,
    server: Server,
    finder: Finder,
    deleter: Deleter,
    announcer: TombstonePublisher,
    deadline: Deadline,
    say: Say,
) -> list[str]:
    """Until nothing of the user is found any more; the ids of the sessions that were found.

    What is found is announced before it is deleted: afterwards nothing would tell what it was.
    """
    ids = finder.left_behind()
    waited = False
    while True:
        found = finder.sessions()
        ids |= found
        letters = finder.letters(sorted(ids)) - finder.erased(queries.ERASED_LETTERS)
        hashes = {session_hash(id_).hex() for id_ in ids}
        new = hashes - finder.erased(queries.ERASED_SESSIONS)
        announcer.sessions(sorted(new))
        announcer.letters(sorted(letters))
        deleter.suppress(sorted(ids))
        if waited and not (found or letters):
            return sorted(ids)
        say(f"{len(ids)} sessions are deleted for every reader; waiting for the workers")
        until_heeded(settings, server, deadline)
        waited = True


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """No replay and no other erasure meanwhile: a replay would bring back what is erased beside it.
    Raises Overloaded when there is one."""
    with ExitStack() as held:
        try:
            held.enter_context(lease(settings))
        except SetupError as error:
            raise Overloaded(str(error), retry_after=_BUSY_SECONDS) from error
        yield


@contextmanager
def open_server(settings: Settings, seconds: float) -> Iterator[Server]:
    """Deletes and mutations on it are done when they return; none may take longer."""
    with connect(
        settings, role="clickstream erase", database="system", answer_seconds=seconds
    ) as client:
        client.set_client_setting("lightweight_deletes_sync", 2)
        client.set_client_setting("mutations_sync", 2)
        yield Server(settings, client)


def _check_no_swap_is_open(settings: Settings, server: Server) -> None:
    databases = Databases.from_settings(settings)
    if server.has(databases.retired) or server.has(databases.shadow):
        raise SinkUnavailable(
            "a replay was cut short, and its databases hold data: run `clickstream replay"
            " --recover`, then erase again"
        )


def _target(settings: Settings, user_id: str, clock: Clock) -> Target:
    return Target.of(UserIds.from_settings(settings).known_forms(user_id), clock.now_ms())


def _log(
    server: Server,
    live: str,
    target: Target,
    requested_by: str | None,
    sessions: int,
    deleted: Mapping[str, int],
    clock: Clock,
) -> None:
    server.command(
        queries.ADD_TO_LOG,
        live=live,
        user_hash=target.user_hashes[0],
        cut_off=target.cut_off,
        requested_by=requested_by,
        sessions=sessions,
        tables=list(deleted),
        rows=list(deleted.values()),
        finished_at=clock.now_ms(),
    )
