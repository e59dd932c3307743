"""Take away the files that hold what an erasure or a mark has touched since they were made.

Which files: each file of sessions has a column of hashes, which is read as it is. No index beside
the files could be wrong about them. What is computed from all sessions goes with the first of them.
docs/decisions/0028-releases.md has the argument.
"""

from __future__ import annotations

from collections.abc import Mapping
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
Touched = Mapping[Reason, Hashes]

_SLACK_MS: Final = 3_600_000
"""Of the clocks of two nodes of a cluster."""

OF_ALL_SESSIONS: Final = frozenset({Kind.JUDGMENTS, Kind.PROPENSITIES})


def supersede_touched(
    storage: ReleaseStorage, manifest: Manifest, client: Client, clock: Clock
) -> dict[str, Superseded]:
    """Take away every touched file of a release; returns all that are superseded by now."""
    sizes = storage.sizes(manifest.name)
    known = storage.superseded(manifest.name, sizes)
    for name, why in known.items():
        if name in sizes:  # a run before this one ended between the note and the deletion
            storage.supersede(manifest.name, name, why)
    found = touched(client, manifest)
    if not any(len(hashes) for hashes in found.values()):
        return known
    for file in manifest.files:
        if file.kind is Kind.SESSIONS and file.name in sizes and file.name not in known:
            reason = why_touched(hashes_of(storage, manifest.name, file.name), found)
            if reason is not None:
                known |= take_away(storage, manifest, file, Superseded(reason, clock.now_ms()))
    return known


def take_away(
    storage: ReleaseStorage, manifest: Manifest, file: ReleaseFile, why: Superseded
) -> dict[str, Superseded]:
    """Supersede a file of sessions, and what was made of its sessions."""
    gone = {}
    for other in manifest.files:
        if other.name == file.name or other.kind in OF_ALL_SESSIONS or _is_made_of(other, file):
            storage.supersede(manifest.name, other.name, why)
            RELEASE_FILES_SUPERSEDED.labels(why.reason.value).inc()
            gone[other.name] = why
    return gone


def touched(client: Client, manifest: Manifest) -> Touched:
    """Hashes of the sessions that were erased or marked irrelevant since the release was made."""
    rows = client.query(
        sql.TOUCHED,
        parameters={
            "mark_bounds": sql.mark_bounds(manifest.watermark),
            "since_ms": manifest.made_at_ms - _SLACK_MS,
        },
        settings={"final": 0},
    ).result_rows
    return {
        reason: np.array([hash_ for hash_, found in rows if found == reason.value], np.uint64)
        for reason in Reason
    }


def why_touched(held: Hashes, found: Touched) -> Reason | None:
    """Erasures are told before marks."""
    for reason in (Reason.ERASURE, Reason.MARK):
        if len(found[reason]) and np.isin(found[reason], held).any():
            return reason
    return None


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


def _is_made_of(file: ReleaseFile, sessions: ReleaseFile) -> bool:
    return file.kind is Kind.TRAINING and file.first_number == sessions.first_number
