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
import pyarrow as pa
import pyarrow.compute as pc

from api.judgments.cells import Cells, Integers
from api.judgments.question import DEFAULT_DEPTH
from api.judgments.sql import FEWEST_IMPRESSIONS, PairRow

COLUMNS: Final = ["session_id", "search_query", "search_results", "created_at", "events"]
_KEY: Final = ["search_query", "object_id", "position"]


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
