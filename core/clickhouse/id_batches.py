"""Splits lists of ids that do not fit one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

# Bound values travel in the URL, and ClickHouse accepts a megabyte of URL. Bytes of ids before they
# are escaped: a byte becomes up to three characters, or fourteen in queries on dead letters.
_MAX_BYTES: Final = 50_000


def id_batches(ids: Sequence[str]) -> Iterator[list[str]]:
    """All ids, in lists that fit one statement each."""
    batch: list[str] = []
    size = 0
    for id_ in ids:
        size += len(id_.encode()) + 10
        if batch and size > _MAX_BYTES:
            yield batch
            batch, size = [], len(id_.encode()) + 10
        batch.append(id_)
    if batch:
        yield batch
