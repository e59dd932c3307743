"""The JSON bodies of the two responses, with the descriptions that OpenAPI shows."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from api.responses import Count, Range

P = Annotated[
    float | None, Meta(description="Two-sided p of no difference; null when it cannot be told")
]
Adjusted = Annotated[
    float | None, Meta(description="p after Benjamini-Hochberg over all comparisons of the answer")
]
Significant = Annotated[
    bool | None, Meta(description="p_adjusted is at most 1 - confidence; null without a p")
]
Bound = Annotated[
    float | None, Meta(description="End of the interval, by users; null when it cannot be told")
]


class Outliers(msgspec.Struct, frozen=True):
    """Users with more searches than most."""

    rule: Annotated[str, Meta(description="keep, leave_out or winsorise")]
    most_sessions: Annotated[
        int | None,
        Meta(description="Searches of one user at the quantile that was asked for; null: keep"),
    ]


class SampleRatio(msgspec.Struct, frozen=True):
    """Whether users came to the variants in the expected proportions."""

    p: Annotated[
        float | None, Meta(description="p of the chi-square test; null with fewer than 2 variants")
    ]
    is_mismatch: Annotated[
        bool, Meta(description="p is below 0.001: find out why before you trust anything else")
    ]


class Variant(msgspec.Struct, frozen=True):
    """Who took part in one variant."""

    variant: str
    users: Annotated[
        int, Meta(description="Each search without a user_id counts as a user of its own")
    ]
    outlier_users: Annotated[
        int, Meta(description="More searches than most_sessions; part of `users`, if not left out")
    ]
    sessions: Count
    anonymous_sessions: Annotated[int, Meta(description="Of these, those without a user_id")]
    expected_share: Annotated[float, Meta(description="Of all users, as `split` says")]


class VariantMetric(msgspec.Struct, frozen=True):
    """One metric of one variant, and its difference from the control. The control has none."""

    metric: str
    variant: str
    numerator: Annotated[float, Meta(ge=0)]
    denominator: Annotated[float, Meta(ge=0)]
    value: Annotated[float | None, Meta(description="null when the denominator is 0")]
    low: Bound
    high: Bound
    difference: Annotated[float | None, Meta(description="value less that of the control")]
    difference_low: Bound
    difference_high: Bound
    relative_difference: Annotated[
        float | None, Meta(description="difference / value of the control")
    ]
    relative_low: Bound
    relative_high: Bound
    p: P
    p_adjusted: Adjusted
    is_significant: Significant
    users_needed: Annotated[
        int | None,
        Meta(
            description="Users of each variant that find a difference of `effect`; null without "
            "`effect`, and when it cannot be told"
        ),
    ]


class Experiment(msgspec.Struct, frozen=True):
    """The variants of an experiment, and each metric of each of them compared with the control."""

    range: Range
    variant_field: str
    control: str
    confidence: float
    users_in_several_variants: Annotated[
        int, Meta(description="They count in each: many of them blur every difference")
    ]
    outliers: Outliers
    sample_ratio: SampleRatio
    variants: list[Variant]
    metrics: list[VariantMetric]


class TeamPreference(msgspec.Struct, frozen=True):
    """One team of interleaved lists against the control."""

    team: str
    searches: Annotated[int, Meta(description="With results of both teams")]
    searches_without_credit: Annotated[
        int, Meta(description="Of these, those without a click on either: they say nothing")
    ]
    won: Annotated[int, Meta(description="More clicked results of the team than of the control")]
    lost: Count
    tied: Annotated[int, Meta(description="As many of both, and at least one")]
    delta: Annotated[
        float | None,
        Meta(
            description="(won + tied / 2) / (won + lost + tied) - 1/2: above 0, the team is liked "
            "better than the control"
        ),
    ]
    delta_low: Bound
    delta_high: Bound
    p: Annotated[float | None, Meta(description="Sign test over searches: p of won and lost alike")]
    p_adjusted: Adjusted
    is_significant: Significant
    users: Annotated[int, Meta(description="Who clicked in these searches")]
    users_for: Annotated[int, Meta(description="For whom the team won more searches than it lost")]
    users_against: Count
    users_tied: Count
    users_p: Annotated[
        float | None,
        Meta(description="Sign test over users: the one to go by where some search much"),
    ]


class Interleaving(msgspec.Struct, frozen=True):
    """Every team that was interleaved with the control."""

    range: Range
    control: str
    confidence: float
    teams: list[TeamPreference]
