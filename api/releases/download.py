"""Copy a release into a folder of this machine, and check it on the way."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from api.releases.manifest import encode
from api.releases.service import ReleaseService
from api.releases.storage import MANIFEST
from core.errors import FileSuperseded, SetupError

_CHUNK_BYTES: Final = 1 << 20


def download(service: ReleaseService, name: str, folder: Path) -> tuple[int, list[str]]:
    """How many files were written, the manifest aside, and the names of those that are superseded.
    Raises SetupError for a file that is not as the manifest says."""
    manifest = service.release(name).manifest
    folder.mkdir(parents=True, exist_ok=True)
    written, missing = 0, []
    for file in manifest.files:
        try:
            service.file(name, file.name)
        except FileSuperseded:
            missing.append(file.name)
            continue
        _copy(service, f"{name}/{file.name}", folder / file.name, file.sha256)
        written += 1
    (folder / MANIFEST).write_bytes(encode(manifest))
    return written, missing


def _copy(service: ReleaseService, path: str, target: Path, sha256: str) -> None:
    draft = target.with_name(f"{target.name}.part")
    digest = hashlib.sha256()
    try:
        with service.storage.open(path) as source, draft.open("wb") as output:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                output.write(chunk)
        if digest.hexdigest() != sha256:
            raise SetupError(f"{path} is damaged: `clickstream release verify` says more")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
