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
        "session_is_irrelevant": False,
    },
    "waiting": None,
    "dead_letter": None,
}

_LOST_EVENT: Final[Example] = {
    "object_id": "obj-1",
    "event_type": "click",
    "created_at": 1701012350000,
    "received_at": 1701012350012,
}

EVENT_MATCHES: Final[Example] = {
    "event_id": "evt-1",
    "searched_from": 1700407550000,
    "meaning": "an event id is unique within its session: each match is an event of its own",
    "matches": [
        {
            "session_id": "sess-132",
            "event_id": "evt-1",
            "state": "waiting",
            "meaning": 'no search with session_id "sess-132" has been posted; the event waits until'
            " one is",
            "event": _LOST_EVENT,
            "joined": None,
            "waiting": {
                "since": 1701012350012,
                "events_waiting": 1,
                "session_is_stored": False,
                "similar_session_id": None,
            },
            "dead_letter": None,
        }
    ],
    "has_more": False,
}

WAITING_EVENTS: Final[Example] = {
    "events": [
        {
            "session_id": "sess-132",
            "event_id": "evt-1",
            **_LOST_EVENT,
            "session_is_stored": False,
            "meaning": 'no search with session_id "sess-132" has been posted; the event waits until'
            " one is",
        }
    ],
    "next": None,
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
