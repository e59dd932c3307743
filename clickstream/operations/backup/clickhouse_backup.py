"""Run ClickHouse's own BACKUP and RESTORE, and wait until they end."""

from __future__ import annotations

import secrets
import time
from typing import Final

from clickstream.operations.backup import queries
from clickstream.operations.backup.storage import BackupStorage
from clickstream.progress import ProgressReporter
from core.clickhouse.admin import Server
from core.errors import SetupError

_POLL_SECONDS: Final = 0.2
_RUNNING: Final = frozenset({"CREATING_BACKUP", "RESTORING"})
_SUCCESS: Final = frozenset({"BACKUP_CREATED", "RESTORED"})


def run_backup(
    server: Server,
    database: str,
    tables: list[str],
    storage: BackupStorage,
    progress: ProgressReporter,
) -> None:
    """Write the tables of `database` to `storage`. Blocks until ClickHouse has written them.

    Raises SetupError with ClickHouse's reason.
    """
    id_ = _new_id()
    server.command(queries.backup(database, tables, storage.clickhouse_target(), id_))
    _wait(server, id_, "backup, bytes", progress)


def run_restore(
    server: Server,
    source_database: str,
    database: str,
    tables: list[str],
    storage: BackupStorage,
    progress: ProgressReporter,
) -> None:
    """Read the tables from `storage` into `database`. Blocks until ClickHouse has read them.

    The tables have the name `source_database` inside the backup. Merges stay stopped afterwards, so
    that no row is deleted by its age before it is counted. Raises SetupError with ClickHouse's
    reason.
    """
    for structure_only in (True, False):
        id_ = _new_id()
        statement = queries.restore(
            source_database,
            database,
            tables,
            storage.clickhouse_target(),
            id_,
            structure_only=structure_only,
        )
        server.command(statement)
        _wait(server, id_, "restore, bytes", progress)
        if structure_only:
            for table in tables:
                server.command(queries.stop_merges(database, table))


def _new_id() -> str:
    return f"clickstream-{secrets.token_hex(8)}"


def _wait(server: Server, id_: str, what: str, progress: ProgressReporter) -> None:
    status, error, total, *_ = _status(server, id_)
    while status in _RUNNING and not total:
        time.sleep(_POLL_SECONDS)
        status, error, total, *_ = _status(server, id_)
    with progress.over(what, max(1, total)) as advance:
        done = 0
        while status in _RUNNING:
            time.sleep(_POLL_SECONDS)
            status, error, total, written, was_read = _status(server, id_)
            now = min(total, was_read if status.startswith("RESTOR") else written)
            advance(max(0, now - done))
            done = max(done, now)
    if status not in _SUCCESS:
        raise SetupError(_error_message(error))


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
