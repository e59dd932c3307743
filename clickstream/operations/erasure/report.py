"""The result of an erasure: as a JSON object, and as lines of text. Never the user's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clickstream.operations.erasure.erase import ErasureResult, Preview


def erasure_as_dict(result: ErasureResult) -> dict[str, Any]:
    """What `erase --json` prints, and `DELETE /users/{id}` answers."""
    return {
        "user_hash": result.user_hash,
        "cut_off": result.cut_off,
        "sessions": result.sessions,
        "deleted": dict(sorted(result.deleted.items())),
        "left": 0,
        "release_files": result.release_files,
        "kept": list(result.retained_databases),
        "seconds": round(result.seconds, 3),
    }


def preview_as_dict(found: Preview) -> dict[str, Any]:
    """What `erase --dry-run --json` prints."""
    return {"sessions": found.sessions, "rows": dict(sorted(found.rows.items()))}


def erasure_lines(result: ErasureResult) -> list[str]:
    """What `erase` prints."""
    return [
        *(f"{rows:,} rows deleted from {table}" for table, rows in sorted(result.deleted.items())),
        f"{result.sessions:,} sessions of this user are erased; no row is left, counted with"
        f" deleted rows included; {result.seconds:.1f} s",
        *([f"{result.release_files:,} files of releases deleted"] if result.release_files else []),
        f"the audit row is in erasure_log under {result.user_hash[:16]}…",
        *(f"{name} keeps old tables: erased there, too" for name in result.retained_databases),
    ]


def preview_lines(found: Preview) -> list[str]:
    """What `erase --dry-run` prints."""
    return [
        *(f"{rows:,} rows in {table}" for table, rows in sorted(found.rows.items())),
        f"{found.sessions:,} sessions would be erased",
    ]


def reapplied_as_dict(deleted: Mapping[str, int]) -> dict[str, Any]:
    """What `erase --reapply --json` prints."""
    return {"deleted": dict(sorted(deleted.items()))}


def reapplied_lines(deleted: Mapping[str, int]) -> list[str]:
    """What `erase --reapply` prints."""
    return [
        *(f"{rows:,} rows deleted from {table}" for table, rows in sorted(deleted.items())),
        "every earlier erasure is applied again",
    ]
