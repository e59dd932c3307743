"""Where releases are stored: a folder, or object storage, through pyarrow.

A release is a folder. `making.json` is there from the first byte until the release is whole,
`manifest.json` is written last: so a release without a manifest is none, whatever ended its making.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from pyarrow import fs

from api.releases.manifest import Manifest, Reason, decode, encode
from core.errors import ReleaseNotFound, SetupError, StorageUnavailable
from core.settings import Settings

MANIFEST: Final = "manifest.json"
MAKING: Final = "making.json"
RETIRED: Final = "retired.json"
SUPERSEDED: Final = "superseded/"
"""Of each file that is superseded there is a note here, which outlives it."""

_S3_OPTIONS: Final = frozenset({"region", "scheme", "endpoint_override"})


class Superseded(msgspec.Struct, frozen=True):
    """Why a file is gone, and since when."""

    reason: Reason
    at_ms: int


class ReleaseStorage:
    """Every method blocks, and raises StorageUnavailable when the storage does not answer."""

    def __init__(self, files: fs.FileSystem, root: str) -> None:
        self._files = files
        self._root = root.rstrip("/")
        self._is_local = isinstance(files, fs.LocalFileSystem)
        self._manifests: dict[str, Manifest] = {}

    # --- Releases ----------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The folders that are there, whole or not, sorted."""
        with self._errors():
            found = self._files.get_file_info(fs.FileSelector(self._root, allow_not_found=True))
        return sorted(each.base_name for each in found if each.type is fs.FileType.Directory)

    def manifest(self, name: str) -> Manifest | None:
        """None when there is no release of this name, or none that is whole."""
        if name not in self._manifests:
            text = self.read(f"{name}/{MANIFEST}")
            if text is None:
                return None
            try:
                self._manifests[name] = decode(text)
            except msgspec.DecodeError as error:
                raise SetupError(f"{self.shown}/{name}/{MANIFEST} is damaged: {error}") from error
        return self._manifests[name]

    def is_retired(self, name: str) -> bool:
        return self.read(f"{name}/{RETIRED}") is not None

    def is_being_made(self, name: str) -> bool:
        """Whether its folder is marked so, and has no manifest."""
        return self.read(f"{name}/{MAKING}") is not None and self.manifest(name) is None

    def begin(self, name: str) -> None:
        """Mark the folder of a release as one that is being made."""
        self.write(f"{name}/{MAKING}", b"{}")

    def finish(self, manifest: Manifest) -> None:
        """From now on the release exists."""
        self.write(f"{manifest.name}/{MANIFEST}", encode(manifest))
        self.delete(f"{manifest.name}/{MAKING}")

    def sweep(self) -> list[str]:
        """Delete what makings have left that were cut short; returns the names. Only while nobody
        makes a release. A folder that no making has begun is left alone."""
        left = []
        for name in self.names():
            sizes = self.sizes(name)
            if MAKING in sizes and MANIFEST not in sizes:
                self.delete_folder(name)
                left.append(name)
            elif MAKING in sizes:
                self.delete(f"{name}/{MAKING}")
        return left

    def superseded(self, name: str, sizes: Mapping[str, int]) -> dict[str, Superseded]:
        """Of each file that is superseded, why. `sizes`: the files that are there."""
        found = {}
        for path in sizes:
            if path.startswith(SUPERSEDED):
                text = self.read(f"{name}/{path}")
                if text is not None:
                    file = path.removeprefix(SUPERSEDED).removesuffix(".json")
                    found[file] = msgspec.json.decode(text, type=Superseded)
        return found

    def supersede(self, name: str, file: str, why: Superseded) -> None:
        """Note it, then delete the file: from the note on nobody gets it, whatever happens then."""
        note = f"{name}/{SUPERSEDED}{file}.json"
        if self.read(note) is None:
            self.write(note, msgspec.json.encode(why))
        self.delete(f"{name}/{file}")

    # --- Files -------------------------------------------------------------------------------

    def sizes(self, name: str) -> dict[str, int]:
        """Every file of a release, by its path in the release's folder."""
        folder = self._path(name)
        with self._errors():
            selector = fs.FileSelector(folder, recursive=True, allow_not_found=True)
            found = self._files.get_file_info(selector)
        return {
            each.path[len(folder) + 1 :]: each.size
            for each in found
            if each.type is fs.FileType.File
        }

    def read(self, path: str) -> bytes | None:
        """A small file; None when it is not there."""
        try:
            with self._errors(), self._files.open_input_stream(self._path(path)) as file:
                content: bytes = file.read()
        except FileNotFoundError:
            return None
        return content

    def write(self, path: str, content: bytes) -> None:
        """A small file, as a whole or not at all."""
        full = self._path(path)
        with self._errors():
            if not self._is_local:
                with self._files.open_output_stream(full) as file:
                    file.write(content)
                return
            target = Path(full)
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f".{target.name}.new")
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)

    def create(self, path: str) -> Any:
        """A new file to write to. On object storage it is not there before it is closed."""
        full = self._path(path)
        with self._errors():
            if self._is_local:
                Path(full).parent.mkdir(parents=True, exist_ok=True)
            return self._files.open_output_stream(full)

    def open(self, path: str) -> Any:
        """A file to read from, at any place. Raises FileNotFoundError."""
        with self._errors():
            return self._files.open_input_file(self._path(path))

    def delete(self, path: str) -> None:
        """Nothing happens when it is not there."""
        with self._errors(), suppress(FileNotFoundError):
            self._files.delete_file(self._path(path))

    def delete_folder(self, name: str) -> None:
        with self._errors(), suppress(FileNotFoundError):
            self._files.delete_dir(self._path(name))

    @property
    def shown(self) -> str:
        """Where it is, without secrets."""
        return self._root

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            why = " ".join(str(error).split())[:300]
            raise StorageUnavailable(
                f"the storage of releases at {self.shown} does not work: {why}",
                public="the storage of releases does not answer: try again later",
            ) from error


def open_storage(settings: Settings) -> ReleaseStorage:
    """That of the settings. Raises ReleaseNotFound when there is none, SetupError for a URI that
    cannot be understood."""
    uri = settings.releases.uri
    if not uri:
        raise ReleaseNotFound(
            "there are no releases here: CLICKSTREAM_RELEASES__URI does not say where to store them"
        )
    url = urlsplit(uri)
    if url.scheme == "s3":
        return ReleaseStorage(_s3(settings), unquote(url.netloc.rpartition("@")[2] + url.path))
    if url.scheme in ("", "file"):
        path = Path(unquote(url.path)).expanduser().absolute()
        return ReleaseStorage(fs.LocalFileSystem(), str(path))
    raise SetupError(
        f"CLICKSTREAM_RELEASES__URI: {url.scheme}:// is not known; name a folder, or s3://bucket/path"
    )


def _s3(settings: Settings) -> fs.S3FileSystem:
    releases = settings.releases
    options = dict(parse_qsl(urlsplit(releases.uri).query))
    if unknown := sorted(options.keys() - _S3_OPTIONS):
        raise SetupError(
            f"CLICKSTREAM_RELEASES__URI: {unknown[0]} is not known; there are "
            + ", ".join(sorted(_S3_OPTIONS))
        )
    secret = releases.s3_secret_access_key
    return fs.S3FileSystem(
        access_key=releases.s3_access_key_id,
        secret_key=None if secret is None else secret.get_secret_value(),
        # A deletion must not leave an empty object that looks as if it were a folder.
        allow_bucket_creation=False,
        connect_timeout=5,
        request_timeout=30,
        **options,
    )
