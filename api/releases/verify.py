"""Compare the files of a release with its manifest: every byte, nothing missing, nothing added."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from api.releases.files import digest_of
from api.releases.manifest import decode, is_sealed
from api.releases.service import Release, State
from api.releases.storage import MAKING, MANIFEST, RETIRED, SUPERSEDED, ReleaseStorage

_CHUNK_BYTES: Final = 1 << 20
_NOTES: Final = frozenset({MANIFEST, RETIRED, MAKING})


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a file."""

    file: str
    problem: str


def verify(storage: ReleaseStorage, release: Release) -> list[Finding]:
    """Of a stored release; empty when all is as it was made. Reads every byte."""
    name = release.manifest.name
    gone = set(release.superseded)
    if release.state is State.RETIRED:
        gone = {file.name for file in release.manifest.files}
    return _compare(
        storage.read(f"{name}/{MANIFEST}") or b"{}",
        storage.sizes(name),
        gone,
        lambda file: storage.open(f"{name}/{file}"),
    )


def verify_folder(folder: Path) -> list[Finding]:
    """Of a copy that was downloaded. Raises OSError and msgspec.DecodeError."""
    text = (folder / MANIFEST).read_bytes()
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
    return _compare(text, sizes, set(), lambda file: (folder / file).open("rb"))


def _compare(
    text: bytes, sizes: dict[str, int], gone: set[str], open_file: Callable[[str], Any]
) -> list[Finding]:
    manifest = decode(text)
    found = []
    if not is_sealed(text):
        found.append(Finding(MANIFEST, "is not as it was written: its own digest is another"))
    for file in manifest.files:
        size = sizes.get(file.name)
        if file.name in gone:
            if size is not None:
                found.append(Finding(file.name, "should be deleted, and is still there"))
        elif size is None:
            found.append(Finding(file.name, "is missing"))
        elif size != file.bytes:
            found.append(Finding(file.name, f"has {size:,} bytes, not {file.bytes:,}"))
        else:
            with open_file(file.name) as source:
                _, sha256 = digest_of(_chunks(source))
            if sha256 != file.sha256:
                found.append(Finding(file.name, f"has SHA-256 {sha256}, not {file.sha256}"))
    known = {file.name for file in manifest.files} | _NOTES
    added = [path for path in sorted(sizes.keys() - known) if not path.startswith(SUPERSEDED)]
    return found + [Finding(path, "is not in the manifest") for path in added]


def _chunks(source: Any) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        yield chunk
