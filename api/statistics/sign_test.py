"""Which of two sides wins more often."""

from __future__ import annotations


def sign_test(won: int, lost: int) -> float | None:
    """Two-sided p of the exact binomial test that both sides win alike. Ties are left out before.
    None when nobody has won."""
    from scipy.special import bdtr

    if won + lost == 0:
        return None
    return float(min(1.0, 2 * bdtr(min(won, lost), won + lost, 0.5)))
