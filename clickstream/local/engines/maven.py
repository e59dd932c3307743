"""Download pinned files from Maven's central repository, in pure Python (jgo)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clickstream.local.engines.artifact_cache import verify_sha256
from clickstream.local.engines.lockfile import MavenFile
from clickstream.progress import Advance, ProgressReporter
from core.errors import EngineError

if TYPE_CHECKING:
    from jgo.maven import Artifact, MavenContext

_TIMEOUT_SECONDS = 60  # longest silence of a connection


def download(name: str, files: Sequence[MavenFile], into: Path, progress: ProgressReporter) -> None:
    """Fetch each file and check it. Raises EngineError naming the file that could not be had.

    `name` is what the person watching calls them all together.
    """
    # A repository folder of our own: what the user's ~/.m2 holds is not what was pinned.
    with (
        tempfile.TemporaryDirectory() as repository,
        progress.over(f"fetching {name}, bytes", sum(file.size for file in files)) as advance,
    ):
        context = _context(Path(repository), advance)
        for file in files:
            fetched = _resolve(context, file.coordinate)
            verify_sha256(fetched, file.sha256)
            shutil.move(fetched, into / file.file_name)


def _context(repository: Path, advance: Advance) -> MavenContext:
    """Raises EngineError where the extra `engines` was not installed."""
    try:
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as error:
        raise EngineError(
            "the local servers need more packages: pip install 'clickstream[engines]'"
        ) from error
    return MavenContext(
        resolver=PythonResolver(progress_callback=_feed(advance)),
        repo_cache=repository,
        local_repos=[],
        timeout=_TIMEOUT_SECONDS,
    )


def _feed(advance: Advance) -> Callable[[str, int], AbstractContextManager[Advance]]:
    """jgo tells of each file; the person sees one transfer for all of them."""

    @contextmanager
    def one_file(_name: str, _size: int) -> Iterator[Advance]:
        yield advance

    return one_file


def _resolve(context: MavenContext, coordinate: str) -> Path:
    try:
        return _artifact(context, coordinate).resolve()
    except (OSError, RuntimeError) as error:  # what requests (an OSError) and jgo itself raise
        raise EngineError(
            f"could not download {coordinate}: {error}. Check the network and try again"
        ) from error


def _artifact(context: MavenContext, coordinate: str) -> Artifact:
    group, name, version, *rest = coordinate.split(":")
    packaging, classifier = rest if rest else ("jar", "")
    component = context.project(group, name).at_version(version)
    return component.artifact(classifier=classifier, packaging=packaging)
