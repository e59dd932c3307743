"""Whether users came to the variants in the proportions that were meant: if they did not, something
sorts them, and no other number of the experiment can be trusted."""

from __future__ import annotations

from collections.abc import Mapping

# As is usual for this check (Fabijan et al. 2019, *Diagnosing Sample Ratio Mismatch*, KDD): it is
# looked at again and again, and a false alarm stops an experiment.
MISMATCH_BELOW = 0.001


def sample_ratio_p(observed: Mapping[str, int], expected: Mapping[str, float]) -> float | None:
    """p of Pearson's chi-square test. `expected` are proportions, of any sum.

    None when there is nothing to compare: fewer than two variants, or no users. 0 when there are
    users of a variant that none were expected of.
    """
    from scipy.special import chdtrc

    users, total = sum(observed.values()), sum(expected.values())
    if users == 0 or total == 0 or len(observed.keys() | expected.keys()) < 2:
        return None
    if any(count and not expected.get(variant) for variant, count in observed.items()):
        return 0.0
    wanted = {name: users * share / total for name, share in expected.items() if share > 0}
    if len(wanted) < 2:
        return None
    statistic = sum((observed.get(name, 0) - want) ** 2 / want for name, want in wanted.items())
    return float(chdtrc(len(wanted) - 1, statistic))
