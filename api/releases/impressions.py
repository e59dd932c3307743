"""Sessions of a release → their impressions: one row per result that was shown. Pure.

Everything that a release computes is computed from its own sessions, so it belongs to the same
watermark and comes out the same again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from api.judgments.cells import Cells, Integers
from api.judgments.question import DEFAULT_DEPTH
from api.judgments.sql import FEWEST_IMPRESSIONS, PairRow

COLUMNS: Final = ["session_id", "search_query", "search_results", "created_at", "events"]
_KEY: Final = ["search_query", "object_id", "position"]

_PLACE_BITS: Final = 24
_PLACES: Final = 1 << _PLACE_BITS
"""64 MB. With 100 million impressions, six to a place, one pair in 100,000 is taken for one that
was shown 20 times. With ten times as many, all are, and more passes are needed."""


def counts_of(sessions: pa.Table) -> Integers:
    """How many results each session showed."""
    lengths = pc.list_value_length(sessions["search_results"].combine_chunks())
    return np.asarray(lengths.to_numpy(zero_copy_only=False), np.int64)


def positions_of(counts: Integers) -> Integers:
    """The place of each result in its list, from 1."""
    ends = np.cumsum(counts)
    return np.arange(1, ends[-1] + 1 if len(ends) else 1) - np.repeat(ends - counts, counts)


def clicked(sessions: pa.Table, counts: Integers, event_type: str) -> Integers:
    """1 for each result that has an event of this type, else 0."""
    events = sessions["events"].combine_chunks()
    flat = events.flatten()
    is_click = pc.and_(
        pc.equal(pc.struct_field(flat, "event_type"), event_type),
        pc.is_valid(pc.struct_field(flat, "position")),
    )
    positions = pc.struct_field(flat, "position").filter(is_click).to_numpy(zero_copy_only=False)
    parents = pc.list_parent_indices(events).filter(is_click).to_numpy(zero_copy_only=False)
    starts = np.cumsum(counts) - counts
    found = np.zeros(int(counts.sum()), np.int64)
    found[starts[parents.astype(np.int64)] + positions.astype(np.int64) - 1] = 1
    return found


def impressions(sessions: pa.Table, event_type: str) -> pa.Table:
    """`search_query`, `object_id`, `position`, `clicked`, `created_ms` of each, down to the depth
    to which judgments look."""
    counts = counts_of(sessions)
    parents = pa.array(np.repeat(np.arange(len(counts)), counts))
    results = sessions["search_results"].combine_chunks().flatten()
    positions = positions_of(counts)
    table = pa.table(
        {
            "search_query": sessions["search_query"].combine_chunks().take(parents),
            "object_id": pc.struct_field(results, "object_id"),
            "position": positions,
            "clicked": clicked(sessions, counts, event_type),
            "created_ms": sessions["created_at"].combine_chunks().take(parents).cast(pa.int64()),
        }
    )
    return table.filter(pa.array(positions <= DEFAULT_DEPTH))


def of_bucket(shown: pa.Table, bucket: int, buckets: int) -> pa.Table:
    """Those of one in so many queries, always the same ones."""
    if buckets == 1:
        return shown
    queries = shown["search_query"].combine_chunks().dictionary_encode()
    chosen = [
        zlib.crc32(text.encode()) % buckets == bucket for text in queries.dictionary.to_pylist()
    ]
    return shown.filter(pa.array(chosen, pa.bool_()).take(queries.indices))


class OftenShown:
    """Which pairs may have been shown often enough to be judged, in constant memory.

    Pairs are added up by a hash. One that was shown often is always among them; of the others some
    few, while there are not many more impressions than places. 99 million impressions of a month
    have 80 million different pairs, of which 138 thousand were shown often: counting all of them
    by position would take gigabytes, or a pass over the files for each part of them.
    """

    def __init__(self) -> None:
        self._times = np.zeros(_PLACES, np.uint32)

    def add(self, shown: pa.Table) -> None:
        places, times = np.unique(_places(shown), return_counts=True)
        self._times[places] += times.astype(np.uint32)

    def among(self, shown: pa.Table) -> pa.Table:
        """The impressions of such pairs alone."""
        return shown.filter(pa.array(self._times[_places(shown)] >= FEWEST_IMPRESSIONS))

    @property
    def most_pairs(self) -> int:
        """About as many as there are."""
        return int((self._times >= FEWEST_IMPRESSIONS).sum())


def _places(shown: pa.Table) -> npt.NDArray[np.uint64]:
    # Odd numbers of 64 bits (Knuth's multiplicative hashing); the upper bits are mixed best.
    queries = _checksums(shown["search_query"]) * np.uint64(0x9E3779B97F4A7C15)
    objects = _checksums(shown["object_id"]) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = (queries ^ (objects >> np.uint64(7))) * np.uint64(0xD6E8FEB86659FD93)
    return np.asarray(mixed >> np.uint64(64 - _PLACE_BITS), np.uint64)


def _checksums(texts: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    different = texts.combine_chunks().dictionary_encode()
    found = np.fromiter(
        (zlib.crc32(text.encode()) for text in different.dictionary.to_pylist()), np.uint64
    )
    return np.asarray(found[different.indices.to_numpy(zero_copy_only=False)], np.uint64)


class Counts:
    """Adds up how often each pair was shown and clicked at each position."""

    def __init__(self) -> None:
        self._held: list[pa.Table] = []
        self._rows = 0

    def add(self, shown: pa.Table) -> None:
        counted = shown.group_by(_KEY, use_threads=False).aggregate(
            [("clicked", "sum"), ("clicked", "count"), ("created_ms", "min"), ("created_ms", "max")]
        )
        self._held.append(counted)
        self._rows += counted.num_rows
        if self._rows > 2 * self._held[0].num_rows and len(self._held) > 1:
            self._merge()

    def rows(self, fewest: int) -> Iterator[PairRow]:
        """Of each pair that was shown so often, by query and object."""
        self._merge()
        if not self._held:
            return
        table = self._held[0].sort_by([(name, "ascending") for name in _KEY])
        cells = (cell for batch in table.to_batches(10_000) for cell in batch.to_pylist())
        for _, of_pair in groupby(cells, lambda cell: (cell["search_query"], cell["object_id"])):
            group = list(of_pair)
            if sum(cell["clicked_count"] for cell in group) >= fewest:
                yield _pair(group)

    def moving_cells(self) -> Cells:
        """Of clicked pairs that were shown at two positions or more, and often enough."""
        rows = [
            row
            for row in self.rows(FEWEST_IMPRESSIONS)
            if len(row.positions) > 1 and sum(row.gains) > 0
        ]
        numbers = [number for number, row in enumerate(rows) for _ in row.positions]
        return Cells.of(
            numbers,
            [each for row in rows for each in row.positions],
            [each for row in rows for each in row.impressions],
            [each for row in rows for each in row.gains],
        )

    def _merge(self) -> None:
        if len(self._held) > 1:
            together = pa.concat_tables(self._held)
            merged = together.group_by(_KEY, use_threads=False).aggregate(
                [
                    ("clicked_sum", "sum"),
                    ("clicked_count", "sum"),
                    ("created_ms_min", "min"),
                    ("created_ms_max", "max"),
                ]
            )
            names = [
                name.rpartition("_")[0] if name not in _KEY else name
                for name in merged.column_names
            ]
            self._held = [merged.rename_columns(names)]
        self._rows = sum(each.num_rows for each in self._held)


def _pair(group: list[dict[str, Any]]) -> PairRow:
    first = group[0]
    return PairRow(
        positions=[each["position"] for each in group],
        impressions=[each["clicked_count"] for each in group],
        gains=[each["clicked_sum"] for each in group],
        search_query=first["search_query"],
        object_id=first["object_id"],
        first_seen_ms=min(each["created_ms_min"] for each in group),
        last_seen_ms=max(each["created_ms_max"] for each in group),
        place="",
    )
