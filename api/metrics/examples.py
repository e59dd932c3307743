"""Example answers for the OpenAPI document."""

from __future__ import annotations

from typing import Final

from api.examples import RANGE, Example
from api.metrics.answer import GroupRow, answer_rows
from api.metrics.catalogue import BILLIONTHS, RECIPROCAL_PARTS
from api.metrics.responses import OVERVIEW_QUESTION

_AS_OF: Final = 1701043212345
_NEXT: Final = "WzIwLCI2ZjFlZDAwMmFiNTU5NTg1Il0"
_SEARCHES: Final[Example] = {
    "sessions": 1000,
    "sessions_with_click": 400,
    "session_ctr": 0.4,
    "session_ctr_low": 0.3701,
    "session_ctr_high": 0.4307,
}

# What a thousand searches might add up to.
_SUMS: Final = {
    "sessions": 1000, "users": 310, "impressions": 9500, "clicks": 540,
    "clicked_impressions": 500, "events": 700, "unlisted_events": 2, "unlisted_clicks": 1,
    "sessions_with_click": 400, "first_click_positions": 900, "sessions_with_position": 395,
    "reciprocal_ranks": 250 * RECIPROCAL_PARTS, "ndcg_sum_5": 210 * BILLIONTHS,
    "ndcg_sum_10": 240 * BILLIONTHS, "ndcg_sum_20": 245 * BILLIONTHS, "zero_result_sessions": 50,
    "sessions_without_click": 555, "sessions_with_results": 950, "abandoned_sessions": 500,
    "sessions_with_first_click": 398, "sessions_with_early_click": 2,
    "clicked_and_converted_sessions": 400, "clicked_sessions": 400, "values": 1_250_000,
    "events_with_value": 10,
}  # fmt: skip
_FIRST_CLICKS: Final = [900, 1800, 3900, 9000, 21000, 38000, 96000]
_ROW: Final = GroupRow(
    [], None, [_SUMS[name] for name in OVERVIEW_QUESTION.columns], [], [_FIRST_CLICKS], []
)

OVERVIEW: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    **answer_rows(OVERVIEW_QUESTION, [_ROW])[0],
    "irrelevant_sessions": 10,
    "unjoined_events": 3,
    "dead_letters": 0,
}
_SAMPLE: Final[Example] = {
    "one_of": 10,
    "of": "searches",
    "note": "All numbers are of one in 10 searches, and not scaled up; intervals hold. one_of=1 "
    "reads all, which may take longer than is allowed",
}
ANSWER: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    "rows": [{"search_meta.device": "mobile", **_SEARCHES}],
    "next": _NEXT,
    "sample": _SAMPLE,
}
SERIES: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    "rows": [{"time_ms": 1700956800000, **_SEARCHES}],
    "next": _NEXT,
    "sample": _SAMPLE,
}
QUERIES: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    "min_sessions": 1,
    "queries": [{"search_query": "transformer optimization", **_SEARCHES}],
    "next": _NEXT,
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
    "sample": _SAMPLE,
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
    "next": _NEXT,
    "sample": _SAMPLE,
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
SESSIONS: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    "sessions": [
        {
            "session_id": "sess-123",
            "created_at": 1701012345678,
            "search_query": "transformer optimization",
            "user_id": "user-456",
            "results": 1,
            "clicks": 1,
            "events": 1,
            "first_click_position": 1,
            "is_irrelevant": False,
        }
    ],
    "next": _NEXT,
}
NEXT_QUERIES: Final[Example] = {
    "range": RANGE,
    "as_of": _AS_OF,
    "queries": [
        {
            "search_query": "printre",
            "next_query": "printer",
            "sessions": 31,
            "users": 28,
            "reformulated_sessions": 29,
            "zero_result_sessions": 31,
        }
    ],
    "next": _NEXT,
    "sample": None,
}
