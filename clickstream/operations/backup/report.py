"""The result of a backup or a restore: as a JSON object, and as lines of text."""

from __future__ import annotations

from typing import Any

from clickstream.operations.backup.create import BackupResult
from clickstream.operations.backup.manifest import Manifest
from clickstream.operations.backup.restore import RestoreResult


def backup_as_dict(result: BackupResult) -> dict[str, Any]:
    """What `backup --json` prints."""
    return {
        "location": result.location,
        "seconds": round(result.seconds, 3),
        **_contents(result.manifest),
    }


def backup_lines(result: BackupResult) -> list[str]:
    """What `backup` prints."""
    manifest = result.manifest
    records = sum(offset or 0 for topic in manifest.topics for offset in topic.committed)
    return [
        *_table_lines(manifest),
        f"{len(manifest.schemas)} schemas; the workers had committed {records:,} records of Kafka",
        f"backup complete in {result.seconds:.1f} s: {result.location}",
    ]


def restore_as_dict(result: RestoreResult, *, dry_run: bool) -> dict[str, Any]:
    """What `restore --json` prints."""
    plan = result.offset_plan
    return {
        "location": result.location,
        "database": result.database,
        "dry_run": dry_run,
        "seconds": round(result.seconds, 3),
        **_contents(result.manifest),
        "records_to_reprocess": None if plan is None else plan.records_to_reprocess,
        "topics_recreated": None if plan is None else plan.topics_recreated,
        "lost_records": None if plan is None else sum(plan.lost.values()),
        "erased_rows": dict(result.erased),
        "warnings": list(result.warnings),
    }


def restore_lines(result: RestoreResult, *, dry_run: bool) -> list[str]:
    """What `restore` prints, without the warnings."""
    verb = "would restore" if dry_run else "restored"
    lines = [
        *_table_lines(result.manifest),
        f"{verb} the backup of {result.manifest.taken_at} into {result.database}",
    ]
    if result.erased:
        lines.append(f"deleted again {sum(result.erased.values()):,} rows of erased users")
    if result.offset_plan is not None:
        lines.append(
            "workers will resume from the backup's offsets:"
            f" {result.offset_plan.records_to_reprocess:,} records of Kafka to read"
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
