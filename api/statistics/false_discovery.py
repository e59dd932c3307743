"""p values of several comparisons at once."""

from __future__ import annotations

from collections.abc import Sequence


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Each p value as large as the share of false discoveries that one accepts with it (Benjamini
    and Hochberg 1995, J. R. Stat. Soc. B 57, 289-300). None stays None and is no comparison."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    least = 1.0
    for rank, (p, place) in reversed(list(enumerate(known, start=1))):
        least = min(least, p * len(known) / rank)
        adjusted[place] = least
    return adjusted
