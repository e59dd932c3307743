"""Lists of ids that are longer than one statement may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

# A statement's bound values travel in its URL, of which ClickHouse takes a megabyte. Bytes of ids
# before they are escaped: to three characters a byte, or to fourteen where letters are looked for.
_MOST_BYTES: Final = 50_000


def id_batches(ids: Sequence[str]) -> Iterator[list[str]]:
    """All of them, in lists that fit a statement."""
    portion: list[str] = []
    size = 0
    for id_ in ids:
        size += len(id_.encode()) + 10
        if portion and size > _MOST_BYTES:
            yield portion
            portion, size = [], len(id_.encode()) + 10
        portion.append(id_)
    if portion:
        yield portion
