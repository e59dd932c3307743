"""What ClickHouse sums up of an experiment: the rows of the `metrics_…` views."""

from __future__ import annotations

import msgspec


class ExperimentUsersRow(msgspec.Struct, frozen=True):
    """`metrics_experiment_users`."""

    users: int
    users_in_several_variants: int
    sessions_at_quantile: int


class VariantMetricRow(msgspec.Struct, frozen=True):
    """`metrics_experiment`: one metric of one variant.

    The squares and products are sums over users, of the numerator and the denominator of each. A
    numerator counts in `parts`, and both are `weight` times too large.
    """

    variant: str
    metric: str
    users: int
    outlier_users: int
    sessions: int
    anonymous_sessions: int
    numerator: int
    denominator: int
    value: float | None
    numerator_squares: int
    denominator_squares: int
    products: int
    parts: int
    weight: int


class TeamRow(msgspec.Struct, frozen=True):
    """`metrics_interleaving`: one team against the control."""

    team: str
    searches: int
    won: int
    lost: int
    tied: int
    searches_without_credit: int
    users: int
    users_for: int
    users_against: int
    users_tied: int
    score_squares: int
    search_squares: int
    products: int
