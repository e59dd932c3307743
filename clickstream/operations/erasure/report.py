"""The result of an erasure, for people and for machines. Never the user's id."""

from __future__ import annotations

from typing import Any

from clickstream.operations.erasure.erase import Outcome, Preview


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """One JSON object."""
    return {
        "user_hash": outcome.user_hash,
        "cut_off": outcome.cut_off,
        "sessions": outcome.sessions,
        "deleted": dict(sorted(outcome.deleted.items())),
        "left": 0,
        "kept": list(outcome.kept),
        "seconds": round(outcome.seconds, 3),
    }


def preview_as_dict(found: Preview) -> dict[str, Any]:
    """One JSON object."""
    return {"sessions": found.sessions, "rows": dict(sorted(found.rows.items()))}


def lines_of(outcome: Outcome) -> list[str]:
    """Plain sentences."""
    return [
        *(f"{rows:,} rows deleted from {table}" for table, rows in sorted(outcome.deleted.items())),
        f"{outcome.sessions:,} sessions of this user are erased; no row is left, counted with"
        f" deleted rows included; {outcome.seconds:.1f} s",
        f"the audit row is in erasure_log under {outcome.user_hash[:16]}…",
        *(f"{database} keeps old tables: erased there, too" for database in outcome.kept),
    ]


def preview_lines_of(found: Preview) -> list[str]:
    """Plain sentences."""
    return [
        *(f"{rows:,} rows in {table}" for table, rows in sorted(found.rows.items())),
        f"{found.sessions:,} sessions would be erased",
    ]
