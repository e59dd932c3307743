"""The system under the demo: one that runs already, or one started for it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickstream.local.data_directory import default_data_directory
from clickstream.local.endpoints import Endpoints, load_endpoints
from clickstream.local.up.background import start_up


@contextmanager
def running_stack(data_dir: Path | None, port: int) -> Iterator[tuple[Endpoints, bool]]:
    """The system on `data_dir` (default: the user's), and whether it was started here, in which
    case it ends with the context. EngineError when it cannot be started."""
    folder = data_dir or default_data_directory()
    found = load_endpoints(folder)
    if found is not None:
        yield found, False
        return
    started = start_up(folder, port=port)
    try:
        yield started.endpoints, True
    finally:
        started.stop()


@contextmanager
def temporary_stack(port: int) -> Iterator[tuple[Endpoints, bool]]:
    """A system in a temporary folder; both are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="clickstream-demo-") as folder:
        started = start_up(Path(folder), port=port)
        try:
            yield started.endpoints, True
        finally:
            started.stop()
