"""Files that a command writes: whole, or as they were before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replaced_when_whole(*paths: Path) -> Iterator[tuple[BinaryIO, ...]]:
    """Files to write to. They get these names together, once nothing was raised; what has been
    written of them is deleted otherwise."""
    partial = [path.with_name(f"{path.name}.part") for path in paths]
    try:
        with ExitStack() as stack:
            yield tuple(stack.enter_context(path.open("wb")) for path in partial)
        for written, path in zip(partial, paths, strict=True):
            written.replace(path)
    finally:
        for written in partial:
            written.unlink(missing_ok=True)
