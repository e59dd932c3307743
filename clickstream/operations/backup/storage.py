"""Where a backup is stored: a folder that ClickHouse and this process both see, or S3."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from clickhouse_connect.driver.binding import format_str

from clickstream.operations.backup import queries
from core.clickhouse.admin import Server
from core.errors import SetupError
from core.loopback import is_loopback
from core.settings import Settings

MANIFEST: Final = "manifest.json"
REGISTRY: Final = "registry.zip.hex"
TABLES: Final = "tables"
"""The part that ClickHouse writes and reads itself."""

# How ClickHouse reports that S3 has no such object. Every other error is raised as it is.
_NO_SUCH_OBJECT: Final = ("response code: 404", "NoSuchKey", "key does not exist")

_S3_SCHEMES: Final = ("s3://", "http://", "https://")


class BackupStorage(Protocol):
    """Text files by name. Every method blocks; `str()` of it shows no secret."""

    def clickhouse_target(self) -> str:
        """The target of BACKUP … TO and the source of RESTORE … FROM. It may hold a secret."""
        ...

    def read(self, name: str) -> str | None:
        """The whole text; None when there is no such file. Raises SetupError when reading fails."""
        ...

    def write(self, name: str, text: str) -> None:
        """Write the text as a whole or not at all. Raises SetupError when writing fails."""
        ...

    def ensure_empty(self) -> None:
        """Raises SetupError when the storage cannot take a new backup."""
        ...

    def remove_if_unused(self) -> None:
        """Take back what `ensure_empty` made, if nothing was written into it. Raises nothing."""
        ...


def open_storage(target: str, settings: Settings, server: Server) -> BackupStorage:
    """The storage for a folder, or for a URL that begins with s3://, https:// or http://.

    Raises SetupError for http:// to another machine: keys and users' data would be readable on the
    way.
    """
    if target.startswith("http://") and not is_loopback(urlsplit(target).hostname):
        raise SetupError(f"{_without_secrets(target)} is not encrypted: use https:// or s3://")
    if target.startswith(_S3_SCHEMES):
        return S3Storage(target.rstrip("/"), settings, server)
    return LocalStorage(Path(target).expanduser().absolute())


class LocalStorage:
    """A folder on this machine: ClickHouse runs here too, or has it under the same path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_ours = False

    def __str__(self) -> str:
        return str(self._path)

    def clickhouse_target(self) -> str:
        return f"File({format_str(str(self._path / TABLES))})"

    def read(self, name: str) -> str | None:
        try:
            return (self._path / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(f"{self._path / name} cannot be read: {error}") from error

    def write(self, name: str, text: str) -> None:
        if not (self._path / TABLES).exists():
            raise SetupError(
                f"ClickHouse has written its part of {self._path} on its own host: run this command"
                " there, mount the same folder under the same path on both, or use an S3 URL"
            )
        part = self._path / f"{name}.part"
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path / name)
        except OSError as error:
            raise SetupError(f"{self._path / name} cannot be written: {error}") from error

    def ensure_empty(self) -> None:
        try:
            self._is_ours = not self._path.exists()
            self._path.mkdir(parents=True, exist_ok=True)
            is_empty = not any(self._path.iterdir())
        except OSError as error:
            raise SetupError(f"{self._path} cannot be made: {error}") from error
        if not is_empty:
            raise SetupError(f"{self._path} is not empty: name a new folder for each backup")

    def remove_if_unused(self) -> None:
        if self._is_ours:
            with suppress(OSError):  # such as that it is not empty
                self._path.rmdir()


class S3Storage:
    """Objects below an S3 URL. ClickHouse reads and writes all of them; this process needs no
    connection to S3."""

    def __init__(self, url: str, settings: Settings, server: Server) -> None:
        self._url = url
        self._key = settings.backup.s3_access_key_id
        self._secret = settings.backup.s3_secret_access_key
        self._server = server

    def __str__(self) -> str:
        return _without_secrets(self._url)

    def clickhouse_target(self) -> str:
        return f"S3({self._arguments(TABLES)})"

    def read(self, name: str) -> str | None:
        try:
            rows = self._server.rows(queries.read_bucket(self._function(name)))
        except SetupError as error:
            if any(sign in str(error) for sign in _NO_SUCH_OBJECT):
                return None
            raise
        return str(rows[0][0]) if rows else None

    def write(self, name: str, text: str) -> None:
        self._server.command(queries.write_bucket(self._function(name), text))

    def ensure_empty(self) -> None:
        if self.read(MANIFEST) is not None:
            raise SetupError(f"{self} has a backup already: name a new URL for each backup")

    def remove_if_unused(self) -> None: ...

    def _function(self, name: str) -> str:
        return f"s3({self._arguments(name)}, 'RawBLOB', 'line String')"

    def _arguments(self, name: str) -> str:
        """URL, key and secret as literals. ClickHouse hides literals in its logs and tables; bound
        parameters are sent in the query's URL, which it logs."""
        given = [f"{self._url}/{name}"]
        if self._key is not None and self._secret is not None:
            given += [self._key, self._secret.get_secret_value()]
        return ", ".join(format_str(each) for each in given)


def _without_secrets(url: str) -> str:
    """The URL without user, password and query: a presigned one has its signature there."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def incomplete_backup(storage: BackupStorage) -> SetupError:
    """The error for a storage without a manifest."""
    return SetupError(
        f"{storage} has no {MANIFEST}: there is no backup, or it was cut short and is not complete."
        " Name the folder of a backup that ended with success"
    )
