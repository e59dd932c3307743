"""Small valid bodies, to be varied by tests."""

from __future__ import annotations

import json
from typing import Any, Final

from hypothesis import HealthCheck, settings

UNHURRIED: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For `@given` tests: how long an example takes says nothing on a machine that others share."""


def session(**fields: Any) -> dict[str, Any]:
    return {"session_id": "s-1", "search_query": "lamp", "search_results": [], **fields}


def event(**fields: Any) -> dict[str, Any]:
    return {"event_id": "e-1", "object_id": "o-1", **fields}


def events(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"session_id": "s-1", "events": list(items), **fields}


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()
