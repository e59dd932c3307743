"""Example answers for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

Example = dict[str, Any]

SESSION: Final[Example] = {
    "session_id": "sess-123",
    "search_query": "transformer optimization",
    "search_results": [
        {"object_id": "obj-1", "rank": 1.0, "meta": {"source": "hf_models", "score": 0.92}}
    ],
    "search_meta": {"latency_ms": 450},
    "payload_filter": {"task": "text-classification"},
    "sort_by": {"field": "downloads", "order": "desc"},
    "user_id": "user-456",
    "created_at": 1701012345678,
    "is_irrelevant": False,
    "events": [
        {
            "event_id": "evt-1",
            "object_id": "obj-1",
            "event_type": "click",
            "created_at": 1701012350000,
            "position": 1,
            "meta": {"rank_position": 1},
        }
    ],
}

RANGE: Final[Example] = {
    "from_ms": 1700956800000,
    "to_ms": 1701043200000,
    "relevance": "exclude",
    "event_type": "click",
}

EVENT_LOOKUP: Final[Example] = {
    "session_id": "sess-123",
    "event_id": "evt-1",
    "state": "joined",
    "meaning": "it is stored with its session",
    "event": {
        "object_id": "obj-1",
        "event_type": "click",
        "created_at": 1701012350000,
        "received_at": 1701012350012,
    },
    "joined": {
        "position": 1,
        "results": 1,
        "search_query": "transformer optimization",
        "session_created_at": 1701012345678,
    },
    "waiting": None,
    "dead_letter": None,
}

TAIL_RECORD: Final[Example] = {
    "state": "joined",
    "at": 1701012350310,
    "kind": "event",
    "session_id": "sess-123",
    "event_id": "evt-1",
    "object_id": "obj-1",
    "event_type": "click",
    "position": 1,
    "search_query": "transformer optimization",
    "results": 1,
}
