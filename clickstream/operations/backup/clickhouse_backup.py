"""Run ClickHouse's own BACKUP and RESTORE, and wait until they end.

They run on in the server by themselves, so whatever ends the waiting also ends them: an error, a
signal, a lost lease, or no progress for too long.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from typing import Final

from clickstream.operations.backup import queries
from clickstream.operations.backup.storage import BackupStorage
from clickstream.progress import ProgressReporter
from core.clickhouse.admin import Server
from core.errors import ClickstreamError, SetupError, SinkUnavailable

_POLL_SECONDS: Final = 0.2
# Seconds without another byte. The longest silence of a healthy operation is that before the first
# byte, while ClickHouse lists the parts of large tables.
_STALLED_SECONDS: Final = 1800.0
_RUNNING: Final = frozenset({"CREATING_BACKUP", "RESTORING"})
_SUCCESS: Final = frozenset({"BACKUP_CREATED", "RESTORED"})


def run_backup(
    server: Server,
    database: str,
    tables: list[str],
    storage: BackupStorage,
    progress: ProgressReporter,
    check_lease: Callable[[], None],
) -> None:
    """Write the tables of `database` to `storage`. Blocks until ClickHouse has written them.

    Raises SetupError with ClickHouse's reason, SinkUnavailable when it makes no progress.
    """
    id_ = _new_id()
    layout = server.layout_of(database)
    statement = queries.backup(layout, tables, storage.clickhouse_target(), id_)
    _run(server, statement, id_, "backup, bytes", progress, check_lease)


def run_restore(
    server: Server,
    source_database: str,
    database: str,
    tables: list[str],
    storage: BackupStorage,
    progress: ProgressReporter,
    check_lease: Callable[[], None],
) -> None:
    """Read the tables from `storage` into `database`. Blocks until ClickHouse has read them.

    The tables have the name `source_database` inside the backup. Merges stay stopped afterwards, so
    that no row is deleted by its age before it is counted. Raises SetupError with ClickHouse's
    reason.
    """
    saved, layout = server.layout_of(source_database), server.layout_of(database)
    for structure_only in (True, False):
        id_ = _new_id()
        statement = queries.restore(
            saved,
            layout,
            tables,
            storage.clickhouse_target(),
            id_,
            structure_only=structure_only,
        )
        _run(server, statement, id_, "restore, bytes", progress, check_lease)
        if structure_only:
            for table in tables:
                server.command(queries.stop_merges(table, layout))


def _new_id() -> str:
    return f"clickstream-{secrets.token_hex(8)}"


def _run(
    server: Server,
    statement: str,
    id_: str,
    what: str,
    progress: ProgressReporter,
    check_lease: Callable[[], None],
) -> None:
    check_lease()
    try:
        server.command(statement)
        _wait(server, id_, what, progress, check_lease)
    except BaseException:
        # The first error is the one to report. Killing what has ended does nothing.
        with contextlib.suppress(ClickstreamError):
            server.command(queries.KILL, id=id_)
        raise


def _wait(
    server: Server,
    id_: str,
    what: str,
    progress: ProgressReporter,
    check_lease: Callable[[], None],
) -> None:
    moved = time.monotonic()
    status, error, total, *_ = _status(server, id_)
    while status in _RUNNING and not total:
        _pause(moved, check_lease)
        status, error, total, *_ = _status(server, id_)
    # ClickHouse finds more to copy while it copies: shown is the share of all that is known now.
    end = max(1, total)
    with progress.over(what, end) as advance:
        copied = shown = 0
        while status in _RUNNING:
            _pause(moved, check_lease)
            status, error, total, written, was_read = _status(server, id_)
            now = was_read if status.startswith("RESTOR") else written
            if now > copied:
                copied, moved = now, time.monotonic()
            share = min(end, copied * end // max(1, total))
            if share > shown:
                advance(share - shown)
                shown = share
    if status not in _SUCCESS:
        raise SetupError(_error_message(error))


def _pause(moved: float, check_lease: Callable[[], None]) -> None:
    check_lease()
    if time.monotonic() - moved > _STALLED_SECONDS:
        raise SinkUnavailable(
            f"ClickHouse has copied nothing for {_STALLED_SECONDS:g} s: look at its log and its"
            " disk, and start this again"
        )
    time.sleep(_POLL_SECONDS)


def _status(server: Server, id_: str) -> tuple[str, str, int, int, int]:
    """Status, error, total bytes, written bytes, read bytes."""
    rows = server.rows(queries.PROGRESS, id=id_)
    if not rows:
        raise SetupError("ClickHouse was restarted, and the operation is lost: start it again")
    status, error, total, written, was_read = rows[0]
    return str(status), str(error), int(total), int(written), int(was_read)


def _error_message(error: str) -> str:
    reason = error.partition(", Stack trace")[0][:400]
    if "is not allowed for backups" in error:
        return (
            f"ClickHouse may not use this folder ({reason}). The local one may use `backups` in"
            " its data folder, and CLICKSTREAM_BACKUP__FOLDER once `clickstream up` is restarted"
            " with it; your own needs <backups><allowed_path> in its configuration"
        )
    if "BackupsIOThreadPool is not initialized" in error:
        return (
            "the local ClickHouse cannot back up to S3: name a folder, and copy that one to S3;"
            " a ClickHouse server of your own can"
        )
    return f"ClickHouse could not do it: {reason}"
