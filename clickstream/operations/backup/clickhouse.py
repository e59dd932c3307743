"""The ClickHouse client of backup and restore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from core.clickhouse.admin import Server
from core.clickhouse.client import connect
from core.settings import Settings

# Seconds. A checksum over a whole table is one statement that answers nothing until it ends.
_LONGEST_SECONDS: Final = 24 * 3600.0

_SETTINGS: Final = {
    # By default ClickHouse tries a wrong address a thousand times. These limits take seconds.
    "s3_retry_attempts": 5,
    "backup_restore_s3_retry_attempts": 10,
    # Bytes. A manifest for S3 is sent as part of a statement.
    "max_query_size": 64 * 1024 * 1024,
}


@contextmanager
def connect_for_backup(settings: Settings) -> Iterator[Server]:
    """A client that has no default database: every statement names its own.

    Raises SinkUnavailable when ClickHouse does not answer.
    """
    with connect(
        settings, role="clickstream backup", database="system", answer_seconds=_LONGEST_SECONDS
    ) as client:
        for name in _SETTINGS.keys() & client.server_settings.keys():
            client.set_client_setting(name, _SETTINGS[name])
        yield Server(settings, client)
