"""The request bodies of the API's own documentation, word for word."""

from __future__ import annotations

import json
from typing import Any

SESSION: dict[str, Any] = json.loads("""
{
  "session_id": "sess-123",
  "search_query": "transformer optimization",
  "search_results": [
    {
      "object_id": "obj-1",
      "rank": 1,
      "meta": {
        "source": "hf_models",
        "score": 0.92
      }
    }
  ],
  "search_meta": {
    "latency_ms": 450
  },
  "payload_filter": {
    "task": "text-classification"
  },
  "sort_by": {
    "field": "downloads",
    "order": "desc"
  },
  "user_id": "user-456",
  "created_at": 1701012345678
}
""")

EVENTS: dict[str, Any] = json.loads("""
{
  "session_id": "sess-123",
  "events": [
    {
      "event_id": "evt-1",
      "object_id": "obj-1",
      "event_type": "click",
      "created_at": 1701012350000,
      "meta": {
        "rank_position": 1
      }
    }
  ]
}
""")

MARK: dict[str, Any] = json.loads("""
{
  "session_id": "sess-123"
}
""")
