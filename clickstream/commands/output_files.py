"""Files that a command writes: whole, or as they were before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import typer

# Which formats a file of this ending may have; of other endings, any.
_FORMATS: Final = {
    ".parquet": ("parquet",),
    ".csv": ("csv", "ratings_csv", "clax"),
    ".ndjson": ("ndjson", "triples", "conversations"),
    ".json": ("ratings_json",),
}


def check_ending(output: Path, format: str) -> None:
    """Raises BadParameter for a file whose name says another format."""
    formats = _FORMATS.get(output.suffix.lower())
    if formats is not None and format not in formats:
        raise typer.BadParameter(
            f"{output.name} would be written as {format}: add --format {formats[0]}, or give it "
            "another ending",
            param_hint="--output",
        )


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
