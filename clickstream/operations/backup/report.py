"""The result of a backup or a restore, for people and for machines."""

from __future__ import annotations

from typing import Any

from clickstream.operations.backup.create import Saved
from clickstream.operations.backup.manifest import Manifest
from clickstream.operations.backup.restore import Restored


def saved_as_dict(saved: Saved) -> dict[str, Any]:
    """One JSON object."""
    return {
        "place": saved.place,
        "seconds": round(saved.seconds, 3),
        **_contents(saved.manifest),
    }


def saved_lines(saved: Saved) -> list[str]:
    """Sentences."""
    return [
        *_table_lines(saved.manifest),
        f"{len(saved.manifest.schemas)} schemas; the workers had written"
        f" {_written(saved.manifest):,} records of Kafka",
        f"backup complete in {saved.seconds:.1f} s: {saved.place}",
    ]


def restored_as_dict(restored: Restored, *, dry_run: bool) -> dict[str, Any]:
    """One JSON object."""
    going_on = restored.resume
    return {
        "place": restored.place,
        "database": restored.database,
        "dry_run": dry_run,
        "seconds": round(restored.seconds, 3),
        **_contents(restored.manifest),
        "replayed_from_kafka": None if going_on is None else going_on.replayed,
        "topics_are_new": None if going_on is None else going_on.is_new,
        "lost_records": None if going_on is None else sum(going_on.lost.values()),
        "erased_rows": dict(restored.erased),
        "warnings": list(restored.warnings),
    }


def restored_lines(restored: Restored, *, dry_run: bool) -> list[str]:
    """Sentences. The warnings are not among them."""
    verb = "would restore" if dry_run else "restored"
    lines = [
        *_table_lines(restored.manifest),
        f"{verb} the backup of {restored.manifest.taken_at} into {restored.database}",
    ]
    if restored.erased:
        lines.append(f"deleted again {sum(restored.erased.values()):,} rows of erased users")
    if restored.resume is not None:
        lines.append(
            f"the workers go on where the backup was: {restored.resume.replayed:,} records of Kafka"
            " to read"
        )
    return lines


def _contents(manifest: Manifest) -> dict[str, Any]:
    return {
        "taken_at": manifest.taken_at,
        "clickstream": manifest.clickstream,
        "schemas": len(manifest.schemas),
        "tables": [
            {"table": table.name, "rows": table.rows, "checksum": f"{table.checksum:016x}"}
            for table in manifest.tables
        ],
    }


def _table_lines(manifest: Manifest) -> list[str]:
    return [
        f"{table.name}: {table.rows:,} rows, {table.checksum:016x}" for table in manifest.tables
    ]


def _written(manifest: Manifest) -> int:
    return sum(offset or 0 for topic in manifest.topics for offset in topic.committed)
