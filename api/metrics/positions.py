"""Sums at the positions where lists end and were clicked, or at those of single results → sums at
every position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

Sums = Mapping[str, int]


def at_every_position(found: Mapping[int, Sums], last: int) -> Iterator[tuple[int, dict[str, int]]]:
    """From position 1 to the end of the longest list, or to `last`.

    `found`: by position, the columns of `session_positions`; what lies beyond `last` is at
    `last + 1`. A list that ends at a position has shown all before it, and whoever clicked there
    is taken to have looked at all before it.
    """
    longest = max(found, default=0)
    everything = sum(sums["clicked_impressions"] for sums in found.values())
    shown = clicked_lists = examined = 0
    rows = []
    for position in range(longest, 0, -1):
        sums = found.get(position, {})
        shown += sums.get("lists_ending", 0)
        clicked_lists += sums.get("clicked_lists_ending", 0)
        examined += sums.get("lowest_clicks", 0)
        rows.append(
            (
                position,
                {
                    "impressions": shown,
                    "clicked_impressions": sums.get("clicked_impressions", 0),
                    "all_clicked_impressions": everything,
                    "clicked_lists": clicked_lists,
                    "lists_examined": examined,
                },
            )
        )
    return (row for row in reversed(rows) if row[0] <= last)


def of_results_at_every_position(
    found: Mapping[int, Sums], last: int
) -> Iterator[tuple[int, dict[str, int]]]:
    """The same of sums of the results at each position."""
    everything = sum(sums["clicked_impressions"] for sums in found.values())
    nothing = dict.fromkeys(next(iter(found.values()), {}), 0)
    for position in range(1, min(max(found, default=0), last) + 1):
        sums = found.get(position, nothing)
        yield position, {**sums, "all_clicked_impressions": everything}


def by_group(
    rows: Sequence[tuple[tuple[str | None, ...], int, Sums]],
) -> dict[tuple[str | None, ...], dict[int, Sums]]:
    """(the other keys, position, sums) → the positions of each group, in the order of groups."""
    groups: dict[tuple[str | None, ...], dict[int, Sums]] = {}
    for keys, position, sums in rows:
        groups.setdefault(keys, {})[position] = sums
    return groups
