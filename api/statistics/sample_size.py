"""How many users an experiment needs."""

from __future__ import annotations

from math import ceil

from api.statistics.intervals import z_of
from api.statistics.ratios import Ratio

# Nobody has more: beyond it the answer is that the effect cannot be seen.
_MOST_USERS = 10**12


def users_needed(control: Ratio, effect: float, confidence: float, power: float) -> int | None:
    """Users of each of two variants of equal size, of which a difference of `effect` (a part of the
    control's value) is found significant with the probability `power`.

    Of the normal distribution, with the variance of the control's users in both. None when the
    control is 0 or does not vary.
    """
    from scipy.special import ndtri

    wanted = effect * control.value
    if not control.variance or wanted == 0:
        return None
    of_one_user = control.variance * control.users
    needed = 2 * of_one_user * ((z_of(confidence) + float(ndtri(power))) / wanted) ** 2
    return ceil(needed) if needed <= _MOST_USERS else None
