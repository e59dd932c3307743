"""Example answers for the OpenAPI document."""

from __future__ import annotations

from typing import Final

from api.examples import RANGE, Example

_AS_OF: Final = 1701043212345
_SEARCHES: Final[Example] = {
    "sessions": 1000,
    "sessions_with_click": 400,
    "session_ctr": 0.4,
    "session_ctr_low": 0.3701,
    "session_ctr_high": 0.4307,
}

OVERVIEW: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    **_SEARCHES,
    "users": 310,
    "clicks": 540,
    "irrelevant_sessions": 10,
    "unjoined_events": 3,
    "dead_letters": 0,
}
ANSWER: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    "rows": [{"search_meta.device": "mobile", **_SEARCHES}],
    "next": None,
}
SERIES: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    "rows": [{"time_ms": 1700956800000, **_SEARCHES}],
    "next": None,
}
QUERIES: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    "queries": [{"search_query": "transformer optimization", **_SEARCHES}],
    "next": None,
}
POSITIONS: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    "positions": [
        {
            "position": 1,
            "impressions": 950,
            "clicked_impressions": 210,
            "position_ctr": 0.22105,
            "position_ctr_low": 0.1958,
            "position_ctr_high": 0.2485,
        }
    ],
}
OBJECTS: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    "objects": [
        {
            "object_id": "obj-1",
            "impressions": 950,
            "clicked_impressions": 210,
            "position_ctr": 0.22105,
            "position_adjusted_ctr": 1.4,
        }
    ],
    "next": None,
}
FUNNEL: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    "steps": [
        {
            "step": "click",
            "sessions": 400,
            "rate": 0.4,
            "rate_low": 0.3701,
            "rate_high": 0.4307,
            "of_previous": 0.4,
        }
    ],
}
CATALOGUE: Final[Example] = {
    "metrics": [
        {
            "name": "session_ctr",
            "kind": "rate",
            "formula": "searches with a click / searches",
            "population": "searches",
            "unit": "1",
            "null": "without searches",
            "dimensions": ["search_query"],
            "filters": ["query"],
            "source": ["session_measures"],
            "numerator": "sessions_with_click",
            "denominator": "sessions",
        }
    ],
    "declared_dimensions": ["search_meta.device"],
}
