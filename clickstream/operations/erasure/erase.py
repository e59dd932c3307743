"""Erase one user: publish the erasure, delete, wait for writers, delete again, count.

docs/decisions/0010-erasure.md has the argument why nothing remains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from clickstream.operations.erasure import queries
from clickstream.operations.erasure.deadline import Deadline
from clickstream.operations.erasure.delete import Deleter, Log
from clickstream.operations.erasure.drain import wait_for_in_flight_writes
from clickstream.operations.erasure.lookup import MOST_IDS, UserDataFinder
from clickstream.operations.erasure.releases import delete_from_releases
from clickstream.operations.erasure.subject import DataSubject
from clickstream.operations.erasure.tombstones import TombstonePublisher
from core.clickhouse.admin import Server
from core.clickhouse.client import connect, database_of
from core.clickhouse.lease import lease
from core.clock import Clock
from core.errors import SinkUnavailable
from core.settings import Settings
from core.user_ids import UserIds
from schemas.erasures import session_hash

# Milliseconds. Clocks that NTP keeps differ by less.
_CLOCK_MS = 1000

_STATEMENTS = "finding and deleting rows"


@dataclass(frozen=True, slots=True)
class Preview:
    """What an erasure would delete now: the number of sessions, and of rows by table."""

    sessions: int
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ErasureResult:
    """A complete erasure: no row of the user is left.

    `sessions` counts all sessions of this user that are erased by now, `deleted` the rows that this
    run deleted, by table; `release_files` are the files of releases that it deleted, because they
    held one of these sessions. `retained_databases` are those that other operations have made of
    the live one and left; the user's rows were deleted there too.
    """

    user_hash: str
    cut_off: int
    sessions: int
    deleted: Mapping[str, int]
    release_files: int
    retained_databases: tuple[str, ...]
    seconds: float


def preview(settings: Settings, user_id: str, clock: Clock, seconds: float) -> Preview:
    """Count what an erasure would delete. Changes nothing. Raises SinkUnavailable."""
    subject = _data_subject(settings, [user_id], clock)
    with open_server(settings, seconds) as server:
        live = database_of(settings)
        finder = UserDataFinder(server, live, subject)
        deleter = Deleter(server, finder, live, subject)
        residual = finder.residual_sessions()
        rows = deleter.count_remaining(None if residual is None else sorted(residual))
        # The dead letters that are published are counted once.
        published = deleter.count_remaining([])
        sessions = finder.number_of_sessions() if residual is None else len(residual)
        for page in finder.session_pages():
            hashes = {session_hash(id_).hex(): id_ for id_ in page}
            new = finder.unpublished(queries.UNPUBLISHED_SESSIONS, hashes)
            rows += deleter.count_remaining([hashes[each] for each in new]) - published
            sessions += len(new)
        return Preview(sessions, dict(rows))


def erase(
    settings: Settings,
    user_id: str,
    *,
    requested_by: str | None,
    clock: Clock,
    seconds: float,
    log: Log,
) -> ErasureResult:
    """Erase what the edge received of this user until now. Blocks for about `seconds` at most.

    Raises Unavailable when a server is away, when another operation is running (a replay would
    write again what is erased), or when the time is over. What is deleted until then stays deleted,
    and a second run completes the erasure.
    """
    return erase_users(
        settings, [user_id], requested_by=requested_by, clock=clock, seconds=seconds, log=log
    )


def erase_users(
    settings: Settings,
    user_ids: Sequence[str],
    *,
    requested_by: str | None,
    clock: Clock,
    seconds: float,
    log: Log,
) -> ErasureResult:
    """`erase` for some hundreds of users at once, in the time that one takes. The log of erasures
    names the first of them."""
    started = clock.monotonic()
    deadline = Deadline(clock, seconds)
    with lease(settings) as check_lease, open_server(settings, seconds, deadline) as server:
        _check_clock(server, clock)
        subject = _data_subject(settings, user_ids, clock)
        live = database_of(settings)
        finder = UserDataFinder(server, live, subject)
        deleter = Deleter(server, finder, live, subject, log)
        finder.check_tables()
        publisher = TombstonePublisher(settings, server, subject, requested_by, clock)
        publisher.publish_users()
        log("the erasure is published: workers store nothing of this user any more")
        for database in finder.databases[1:]:
            server.start_merges(database)
        steps = _Steps(check_lease, deadline)
        ids = _mask_all(settings, server, finder, deleter, publisher, steps, log)
        check_lease()
        deleter.remove_from_disk()
        if remaining := deleter.count_remaining(ids):
            raise deadline.exceeded(f"rows are left in {', '.join(remaining)}")
        check_lease()
        check_reach(finder)
        log("the deleted rows are removed from the disk")
        release_files = delete_from_releases(settings, clock, deadline)
        sessions = finder.number_of_sessions()
        _add_to_log(server, live, subject, requested_by, sessions, deleter.deleted, clock)
    return ErasureResult(
        subject.user_hashes[0],
        subject.cut_off,
        sessions,
        dict(deleter.deleted),
        release_files,
        finder.databases[1:],
        clock.monotonic() - started,
    )


def _mask_all(
    settings: Settings,
    server: Server,
    finder: UserDataFinder,
    deleter: Deleter,
    publisher: TombstonePublisher,
    steps: _Steps,
    log: Log,
) -> list[str] | None:
    """Delete until a search after a wait finds nothing; returns the ids of all sessions found, or
    None when there are more than `MOST_IDS`.

    The hashes of what is found are published before the rows are deleted: afterwards nothing would
    tell what they were.
    """
    ids = finder.residual_sessions()
    waited = False
    while True:
        steps.check_lease()
        found = False
        for page in finder.session_pages():
            found = True
            ids = None if ids is None or len(ids) + len(page) > MOST_IDS else ids.union(page)
            _publish(finder, publisher, page)
            steps.check_lease()
        found |= _publish(finder, publisher, sorted(ids or ()))
        deleter.mask_rows(None if ids is None else sorted(ids))
        if waited and not found:
            return None if ids is None else sorted(ids)
        sessions = finder.number_of_sessions()
        log(f"{sessions} sessions are deleted for every reader; waiting for the workers")
        wait_for_in_flight_writes(settings, server, steps.deadline)
        waited = True


def _publish(finder: UserDataFinder, publisher: TombstonePublisher, ids: Sequence[str]) -> bool:
    """Publish these sessions, and the dead letters that name the user or one of them; returns
    whether a dead letter is new."""
    hashes = [session_hash(id_).hex() for id_ in ids]
    dead_letters = finder.unpublished(queries.UNPUBLISHED_DEAD_LETTERS, finder.dead_letters(ids))
    publisher.publish_sessions(finder.unpublished(queries.UNPUBLISHED_SESSIONS, hashes))
    publisher.publish_dead_letters(dead_letters)
    return bool(dead_letters)


def _check_clock(server: Server, clock: Clock) -> None:
    """The cut-off is this clock: a slow one would leave what came just now, and prove that nothing
    is left. Raises SinkUnavailable."""
    before = clock.now_ms()
    there = server.number(queries.NOW_MS)
    off = max(before - there, there - clock.now_ms())
    if off > _CLOCK_MS:
        raise SinkUnavailable(
            f"the clocks of this machine and of ClickHouse differ by {off / 1000:.1f} s:"
            " synchronise them (NTP), and run this again"
        )


def check_reach(finder: UserDataFinder) -> None:
    """Nothing is proven while there are tables that could not be looked into."""
    if finder.out_of_reach:
        raise SinkUnavailable(
            f"the live tables have no row of the user, but {', '.join(finder.out_of_reach)}, which"
            " a replay, a backup or a restore has made, may have: run `clickstream erase` as the"
            " owner of ClickHouse, or run again what made it"
        )


@dataclass(frozen=True, slots=True)
class _Steps:
    """What is asked between two steps: the lease is still ours, and there is time left."""

    check_lease: Callable[[], None]
    deadline: Deadline


@contextmanager
def open_server(
    settings: Settings, seconds: float, deadline: Deadline | None = None
) -> Iterator[Server]:
    """A client on which deletes and mutations are complete when they return.

    Each ends within `seconds`; with a deadline, all of them together end by then.
    """
    with connect(
        settings, role="clickstream erase", database="system", answer_seconds=seconds
    ) as client:
        client.set_client_setting("lightweight_deletes_sync", 2)
        client.set_client_setting("mutations_sync", 2)
        remaining = None if deadline is None else lambda: deadline.remaining(_STATEMENTS)
        yield Server(settings, client, remaining)


def _data_subject(settings: Settings, user_ids: Sequence[str], clock: Clock) -> DataSubject:
    known_forms = UserIds.from_settings(settings).known_forms
    forms = [form for user_id in user_ids for form in known_forms(user_id)]
    return DataSubject.of(forms, clock.now_ms())


def _add_to_log(
    server: Server,
    live: str,
    subject: DataSubject,
    requested_by: str | None,
    sessions: int,
    deleted: Mapping[str, int],
    clock: Clock,
) -> None:
    server.command(
        queries.ADD_TO_LOG,
        live=live,
        user_hash=subject.user_hashes[0],
        cut_off=subject.cut_off,
        requested_by=requested_by,
        sessions=sessions,
        tables=list(deleted),
        rows=list(deleted.values()),
        finished_at=clock.now_ms(),
    )
