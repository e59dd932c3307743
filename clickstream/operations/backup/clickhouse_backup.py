"""ClickHouse's own BACKUP and RESTORE, watched until they end."""

from __future__ import annotations

import secrets
import time
from typing import Final

from clickstream.operations.backup import queries
from clickstream.operations.backup.storage import Place
from clickstream.operations.progress import Progress
from core.clickhouse.admin import Server
from core.errors import SetupError

_LOOK_AGAIN_SECONDS: Final = 0.2
_UNDER_WAY: Final = frozenset({"CREATING_BACKUP", "RESTORING"})
_SUCCESS: Final = frozenset({"BACKUP_CREATED", "RESTORED"})


def copy_out(
    server: Server, database: str, tables: list[str], place: Place, progress: Progress
) -> None:
    """Return once the tables are in the place. Raises SetupError with ClickHouse's reason."""
    id_ = _new_id()
    server.command(queries.backup(database, tables, place.destination(), id_))
    _watch(server, id_, "backup, bytes", progress)


def copy_in(
    server: Server,
    saved_as: str,
    database: str,
    tables: list[str],
    place: Place,
    progress: Progress,
) -> None:
    """Return once they are in `database`, with merges stopped, so that no row that is too old goes
    before it is counted. Raises SetupError with ClickHouse's reason."""
    for structure_only in (True, False):
        id_ = _new_id()
        statement = queries.restore(
            saved_as, database, tables, place.destination(), id_, structure_only=structure_only
        )
        server.command(statement)
        _watch(server, id_, "restore, bytes", progress)
        if structure_only:
            for table in tables:
                server.command(queries.stop_merges(database, table))


def _new_id() -> str:
    return f"clickstream-{secrets.token_hex(8)}"


def _watch(server: Server, id_: str, what: str, progress: Progress) -> None:
    status, error, total, *_ = _look(server, id_)
    while status in _UNDER_WAY and not total:
        time.sleep(_LOOK_AGAIN_SECONDS)
        status, error, total, *_ = _look(server, id_)
    with progress.over(what, max(1, total)) as advance:
        done = 0
        while status in _UNDER_WAY:
            time.sleep(_LOOK_AGAIN_SECONDS)
            status, error, total, written, was_read = _look(server, id_)
            now = min(total, was_read if status.startswith("RESTOR") else written)
            advance(max(0, now - done))
            done = max(done, now)
    if status not in _SUCCESS:
        raise SetupError(_refusal(error))


def _look(server: Server, id_: str) -> tuple[str, str, int, int, int]:
    rows = server.rows(queries.PROGRESS, id=id_)
    if not rows:
        raise SetupError("ClickHouse was restarted meanwhile, and the copy is lost: begin again")
    status, error, total, written, was_read = rows[0]
    return str(status), str(error), int(total), int(written), int(was_read)


def _refusal(error: str) -> str:
    reason = error.partition(", Stack trace")[0][:400]
    if "is not allowed for backups" in error:
        return (
            f"ClickHouse may not use this folder ({reason}). The embedded one may use `backups` in"
            " its data folder, and CLICKSTREAM_BACKUP__FOLDER once `clickstream up` is restarted"
            " with it; your own needs <backups><allowed_path> in its configuration"
        )
    if "BackupsIOThreadPool is not initialized" in error:
        return (
            "the embedded ClickHouse cannot back up to S3: name a folder, and copy that one to S3;"
            " a ClickHouse server of your own can"
        )
    return f"ClickHouse could not do it: {reason}"
