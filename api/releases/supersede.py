"""Take away the files that hold what an erasure or a mark has touched since they were made.

Which files: each file of sessions has a column of hashes, which is read as it is. No index beside
the files could be wrong about them. What is computed from all sessions goes with the first of them.
docs/decisions/0029-releases.md has the argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from clickhouse_connect.driver.client import Client

from api.releases import sql
from api.releases.manifest import Kind, Manifest, Reason, ReleaseFile
from api.releases.storage import ReleaseStorage, Superseded
from core.clock import Clock
from core.telemetry import RELEASE_FILES_SUPERSEDED

Hashes = npt.NDArray[np.uint64]

_SLACK_MS: Final = 3_600_000
"""Of the clocks of two nodes of a cluster."""
_READS_AT_ONCE: Final = 8
"""On object storage most of the time is waiting."""

_OF_ALL_SESSIONS: Final = frozenset({Kind.JUDGMENTS, Kind.PROPENSITIES})


@dataclass(frozen=True, slots=True)
class Touched:
    """Sessions that were erased, or marked irrelevant, since a release was made. When a marked one
    was created is known; the rows of an erased one are gone."""

    erased: Hashes
    marked: Hashes
    marked_ms: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.erased) + len(self.marked)

    def in_time_of(self, file: ReleaseFile) -> Touched:
        """Those that the file may hold."""
        near = (self.marked_ms >= file.from_ms) & (self.marked_ms <= file.to_ms)
        return Touched(self.erased, self.marked[near], self.marked_ms[near])

    def reason_among(self, held: Hashes) -> Reason | None:
        """Why a file with these sessions must go; an erasure is told before a mark."""
        for hashes, reason in ((self.erased, Reason.ERASURE), (self.marked, Reason.MARK)):
            if len(hashes) and np.isin(hashes, held).any():
                return reason
        return None


def touched(client: Client, manifest: Manifest) -> Touched:
    """By what ClickHouse knows now. The caller translates its errors."""
    query, values = sql.touched(manifest.order, manifest.watermark, manifest.made_at_ms - _SLACK_MS)
    rows: Any = client.query(query, parameters=dict(values), settings={"final": 0}).result_rows
    marked = sorted(row for row in rows if row[1] == Reason.MARK)
    return Touched(
        np.array(sorted(row[0] for row in rows if row[1] == Reason.ERASURE), np.uint64),
        np.array([row[0] for row in marked], np.uint64),
        np.array([row[2] for row in marked], np.int64),
    )


def supersede_touched(
    storage: ReleaseStorage, manifest: Manifest, found: Touched, clock: Clock
) -> dict[str, Superseded]:
    """Take away every file of a release that holds one of these; returns those that this call has
    deleted."""
    sizes = storage.sizes(manifest.name)
    known = storage.superseded(manifest.name, sizes)
    gone = {}
    for name, why in known.items():
        if name in sizes:  # a run before this one ended between the note and the deletion
            storage.supersede(manifest.name, name, why)
            gone[name] = why
    suspects = [
        file
        for file in manifest.files
        if file.kind is Kind.SESSIONS
        and file.name in sizes
        and file.name not in known
        and len(found.in_time_of(file))
    ]

    def reason(file: ReleaseFile) -> Reason | None:
        return found.in_time_of(file).reason_among(hashes_of(storage, manifest.name, file.name))

    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        for file, why_it_goes in zip(suspects, pool.map(reason, suspects), strict=True):
            if why_it_goes is not None:
                why = Superseded(why_it_goes, clock.now_ms())
                gone |= take_away(storage, manifest, file, why)
    return gone


def take_away(
    storage: ReleaseStorage, manifest: Manifest, file: ReleaseFile, why: Superseded
) -> dict[str, Superseded]:
    """Supersede a file of sessions, and what was made of its sessions."""
    gone = {}
    for other in manifest.files:
        if other.name == file.name or file in sources_of(manifest, other):
            storage.supersede(manifest.name, other.name, why)
            RELEASE_FILES_SUPERSEDED.labels(why.reason.value).inc()
            gone[other.name] = why
    return gone


def sources_of(manifest: Manifest, file: ReleaseFile) -> Iterable[ReleaseFile]:
    """The files of sessions that a file was made of; a file of sessions is its own."""
    for sessions in manifest.files:
        if sessions.kind is Kind.SESSIONS and (
            file.kind in _OF_ALL_SESSIONS or file.first_number == sessions.first_number
        ):
            yield sessions


def hashes_of(storage: ReleaseStorage, release: str, file: str) -> Hashes:
    """Of every session in the file; none when it is gone. Reads one column."""
    try:
        source: Any = storage.open(f"{release}/{file}")
    except FileNotFoundError:
        return np.array([], np.uint64)
    with source:
        column = pq.read_table(source, columns=["session_hash"], use_threads=False)["session_hash"]
    hashes: Hashes = column.to_numpy()
    return hashes
