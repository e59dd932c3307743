"""Example answers for the OpenAPI document."""

from __future__ import annotations

from typing import Final

from api.examples import Example

_RANGE: Final[Example] = {
    "from_ms": 1700956800000,
    "to_ms": 1701043200000,
    "relevance": "exclude",
    "event_type": "click",
}

_CONTROL: Final[Example] = {
    "metric": "session_ctr",
    "variant": "control",
    "numerator": 4080,
    "denominator": 10200,
    "value": 0.4,
    "low": 0.3894,
    "high": 0.4106,
    "difference": None,
    "difference_low": None,
    "difference_high": None,
    "relative_difference": None,
    "relative_low": None,
    "relative_high": None,
    "p": None,
    "p_adjusted": None,
    "is_significant": None,
    "users_needed": 14300,
}

EXPERIMENT: Final[Example] = {
    "range": _RANGE,
    "variant_field": "variant",
    "control": "control",
    "confidence": 0.95,
    "users_in_several_variants": 3,
    "outliers": {"rule": "keep", "most_sessions": None},
    "sample_ratio": {"p": 0.62, "is_mismatch": False},
    "variants": [
        {
            "variant": variant,
            "users": users,
            "outlier_users": 0,
            "sessions": sessions,
            "anonymous_sessions": 120,
            "expected_share": 0.5,
        }
        for variant, users, sessions in (("control", 5010, 10200), ("treatment", 4960, 10000))
    ],
    "metrics": [
        _CONTROL,
        {
            **_CONTROL,
            "variant": "treatment",
            "numerator": 4180,
            "denominator": 10000,
            "value": 0.418,
            "low": 0.4073,
            "high": 0.4287,
            "difference": 0.018,
            "difference_low": 0.0029,
            "difference_high": 0.0331,
            "relative_difference": 0.045,
            "relative_low": 0.007,
            "relative_high": 0.083,
            "p": 0.019,
            "p_adjusted": 0.038,
            "is_significant": True,
        },
    ],
}

INTERLEAVING: Final[Example] = {
    "range": _RANGE,
    "control": "bm25",
    "confidence": 0.95,
    "teams": [
        {
            "team": "hybrid",
            "searches": 8000,
            "searches_without_credit": 4800,
            "won": 1500,
            "lost": 1300,
            "tied": 400,
            "delta": 0.03125,
            "delta_low": 0.0145,
            "delta_high": 0.048,
            "p": 0.00017,
            "p_adjusted": 0.00017,
            "is_significant": True,
            "users": 2100,
            "users_for": 980,
            "users_against": 860,
            "users_tied": 260,
            "users_p": 0.0055,
        }
    ],
}
