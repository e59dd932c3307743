"""ClickHouse as backup and restore talk to it: a replay's server, patient with S3 for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from core.clickhouse.admin import Server
from core.clickhouse.client import connect
from core.settings import Settings

# A checksum over a whole table is one silent statement. Seconds.
_LONGEST_SECONDS: Final = 24 * 3600.0

_SETTINGS: Final = {
    # ClickHouse would try a wrong address a thousand times before it says so. These take seconds.
    "s3_retry_attempts": 5,
    "backup_restore_s3_retry_attempts": 10,
    # A manifest for S3 travels as part of a query. Bytes.
    "max_query_size": 64 * 1024 * 1024,
}


@contextmanager
def open_server(settings: Settings) -> Iterator[Server]:
    """Uses no database: names say which."""
    with connect(
        settings, role="clickstream backup", database="system", answer_seconds=_LONGEST_SECONDS
    ) as client:
        for name in _SETTINGS.keys() & client.server_settings.keys():
            client.set_client_setting(name, _SETTINGS[name])
        yield Server(settings, client)
