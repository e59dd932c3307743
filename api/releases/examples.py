"""Examples for the documentation."""

from __future__ import annotations

from typing import Any, Final

RELEASE: Final[dict[str, Any]] = {
    "format": 1,
    "name": "2026-01",
    "state": "whole",
    "made_at_ms": 1769990400000,
    "made_by": "ranker",
    "code_version": "0.1.0",
    "writer": "pyarrow 26.0.1, zstd",
    "order": {"from_ms": 1767225600000, "to_ms": 1769904000000, "query": None},
    "watermark": {"epoch": 0, "sessions": [812, 790], "events": [5120, 5080], "marks": [3, 1]},
    "position_base": 1,
    "sorted_by": ["created_at", "session_id"],
    "rows_per_group": 2000,
    "sessions_per_file": 20000,
    "counts": {"sessions": 1590, "results": 15900, "events": 10100},
    "left_out": {"irrelevant": 12, "after_the_watermark": 0, "filtered_out": 0},
    "estimators": {},
    "schemas": {"sessions": [{"name": "session_number", "type": "int64"}]},
    "files": [
        {
            "name": "sessions-00000.parquet",
            "kind": "sessions",
            "rows": 1590,
            "bytes": 1204511,
            "sha256": "3a8cf1f1e0d2a5a8fd0bb1b24bb1b8f3d5d9a0f6c8f2f0a7f4bb5c6f0c0e7c55",
            "first_number": 1,
            "sessions": 1590,
            "from_ms": 1767225601042,
            "to_ms": 1769903999120,
            "superseded": None,
        }
    ],
    "retired_at_ms": None,
    "sha256": "9f0c7c553a8cf1f1e0d2a5a8fd0bb1b24bb1b8f3d5d9a0f6c8f2f0a7f4bb5c6f",
}

LIST: Final[dict[str, Any]] = {
    "releases": [
        {
            **{
                name: RELEASE[name]
                for name in ("name", "state", "made_at_ms", "made_by", "counts", "order")
            },
            "retired_at_ms": None,
            "files": 1,
            "superseded_files": 0,
            "bytes": 1204511,
        }
    ]
}

BATCH: Final[dict[str, Any]] = {
    "batch_id": "2026-01",
    "last_number": 1,
    "sessions": [
        {
            "session_id": "sess-123",
            "search_query": "transformer optimization",
            "search_results": [{"object_id": "obj-1", "rank": 1.0, "meta": {"score": 0.92}}],
            "search_meta": {"latency_ms": 450},
            "payload_filter": None,
            "sort_by": None,
            "user_id": "user-456",
            "created_at": 1767225601042,
            "is_irrelevant": False,
            "events": [
                {
                    "event_id": "evt-1",
                    "object_id": "obj-1",
                    "event_type": "click",
                    "created_at": 1767225606000,
                    "meta": None,
                }
            ],
            "session_number": 1,
        }
    ],
}
