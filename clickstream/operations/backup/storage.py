"""Where a backup lies: a folder that ClickHouse and this process both see, or a bucket."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Protocol

from clickstream.operations.backup import queries
from core.clickhouse.admin import Server
from core.errors import SetupError
from core.settings import Settings

MANIFEST: Final = "manifest.json"
REGISTRY: Final = "registry.zip.hex"
TABLES: Final = "tables"
"""The part that ClickHouse writes and reads itself."""

# As ClickHouse reports S3's answer. Anything else, such as a refused key, is shown as it is.
_NO_SUCH_OBJECT: Final = ("response code: 404", "NoSuchKey", "key does not exist")

_BUCKET_SCHEMES: Final = ("s3://", "http://", "https://")


class Place(Protocol):
    """Files by name. Every method blocks; `str` of it shows no secret."""

    def destination(self) -> str:
        """For ClickHouse, as it stands in BACKUP … TO and RESTORE … FROM. Not to be shown."""
        ...

    def read(self, name: str) -> str | None:
        """A whole text; None when there is none. SetupError when it cannot be read."""
        ...

    def write(self, name: str, text: str) -> None:
        """As a whole or not at all. SetupError when it cannot be."""
        ...

    def prepare(self) -> None:
        """Before a backup. SetupError when there is something already."""
        ...


def place_of(target: str, settings: Settings, server: Server) -> Place:
    """A folder, or a URL that begins with s3://, https:// or http://."""
    if target.startswith(_BUCKET_SCHEMES):
        return Bucket(target.rstrip("/"), settings, server)
    return Folder(Path(target).expanduser().absolute())


class Folder:
    """On this machine, where ClickHouse runs, or mounted under the same path on both."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def destination(self) -> str:
        return f"File({queries.literal(str(self._path / TABLES))})"

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

    def prepare(self) -> None:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            taken = any(self._path.iterdir())
        except OSError as error:
            raise SetupError(f"{self._path} cannot be made: {error}") from error
        if taken:
            raise SetupError(f"{self._path} is not empty: name a new folder for each backup")


class Bucket:
    """Below an S3 URL. ClickHouse writes and reads everything there, so it has to reach it, and
    this process need not."""

    def __init__(self, url: str, settings: Settings, server: Server) -> None:
        self._url = url
        self._key = settings.backup.s3_access_key_id
        self._secret = settings.backup.s3_secret_access_key
        self._server = server

    def __str__(self) -> str:
        return self._url

    def destination(self) -> str:
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

    def prepare(self) -> None:
        if self.read(MANIFEST) is not None:
            raise SetupError(f"{self._url} has a backup already: name a new place for each")

    def _function(self, name: str) -> str:
        return f"s3({self._arguments(name)}, 'RawBLOB', 'line String')"

    def _arguments(self, name: str) -> str:
        """As literals: ClickHouse hides them in its logs and tables, while bound parameters travel
        in the URL, which it logs."""
        given = [f"{self._url}/{name}"]
        if self._key is not None and self._secret is not None:
            given += [self._key, self._secret.get_secret_value()]
        return ", ".join(queries.literal(each) for each in given)


def refuse_incomplete(place: Place) -> SetupError:
    """What to say of a place without a manifest."""
    return SetupError(
        f"{place} has no {MANIFEST}: there is no backup, or it was cut short and is not complete."
        " Name the folder of a backup that ended with success"
    )
