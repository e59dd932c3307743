"""Examples that OpenAPI shows, of the first pages of an answer."""

from __future__ import annotations

from typing import Final

from core.http.openapi import Part

_RANGE: Final = {
    "from_ms": 1698796800000,
    "to_ms": 1701388800000,
    "relevance": "exclude",
    "event_type": "click",
}

JUDGMENTS: Final[Part] = {
    "range": _RANGE,
    "as_of": 1701388801000,
    "estimator": "coec",
    "cut_points": [0.25, 0.5, 1.0, 2.0],
    "averages": {"ctr": 0.08, "coec": 1.0, "pbm": 0.21},
    "min_impressions": 20,
    "depth": 50,
    "impressions": 400000,
    "clicks": 32000.0,
    "pbm_refused": None,
    "judgments": [
        {
            "search_query": "running shoes",
            "object_id": "product_17",
            "by_value": None,
            "impressions": 500,
            "clicks": 60.0,
            "expected_clicks": 40.0,
            "ctr": 0.12,
            "ctr_low": 0.094,
            "ctr_high": 0.152,
            "coec": 1.5,
            "coec_low": 1.18,
            "coec_high": 1.89,
            "pbm": 0.31,
            "pbm_low": 0.25,
            "pbm_high": 0.38,
            "grade": 3,
            "positions_seen": 4,
            "highest_position": 2,
            "lowest_position": 5,
            "first_seen_ms": 1698797000000,
            "last_seen_ms": 1701388000000,
        }
    ],
    "next": None,
}

PROPENSITIES: Final[Part] = {
    "range": _RANGE,
    "as_of": 1701388801000,
    "estimator": "em",
    "reference": 1,
    "moving_pairs": 6100,
    "sample": 1,
    "rounds": 31,
    "propensities": [
        {
            "position": 1,
            "examination": 1.0,
            "low": 1.0,
            "high": 1.0,
            "impressions": 40000,
            "clicks": 9000.0,
            "ctr": 0.225,
        },
        {
            "position": 2,
            "examination": 0.89,
            "low": 0.87,
            "high": 0.91,
            "impressions": 40000,
            "clicks": 7200.0,
            "ctr": 0.18,
        },
    ],
}
