"""The SQL of sums at the positions where lists end and were clicked."""

from __future__ import annotations

from collections.abc import Sequence

from api.metrics.catalogue import POSITION
from api.metrics.question import Question


def position_cells(
    question: Question, source: str, keys: Sequence[str], time: str, is_current: str, where: str
) -> str:
    """`POSITION_SUMS` at positions, as session_positions has them: but lists of one length that
    were clicked at the same positions are unfolded once, and not each."""
    others = "".join(
        f"{key} AS key_{number}, "
        for number, (name, key) in enumerate(zip(question.by, keys, strict=True))
        if name != POSITION
    )
    groups = "".join(
        f"key_{number}, " for number, name in enumerate(question.by) if name != POSITION
    )
    return f"""
(
SELECT
    {groups}time, is_current, cell.1 AS position, cell.2 AS lists_ending,
    cell.3 AS clicked_impressions, cell.4 AS clicked_lists_ending, cell.5 AS lowest_clicks
FROM
(
    SELECT
        {others}{time} AS time, {is_current} AS is_current,
        toUInt32(results) AS length, positions_mask AS mask,
        notEmpty(positions_over_64) AS is_deep,
        count() AS lists,
        sumMapIf(positions_over_64, arrayMap(position -> toUInt64(1), positions_over_64), is_deep)
            AS deep,
        sumMapIf([positions_over_64[-1]], [toUInt64(1)], is_deep) AS deep_lowest
    FROM {source}
    WHERE is_selected AND results > 0 AND {where}
    GROUP BY {groups}time, is_current, length, mask, is_deep
)
ARRAY JOIN arrayConcat(
    [(length, lists, toUInt64(0), if(mask > 0 OR is_deep, lists, 0), toUInt64(0))],
    arrayMap(
        bit -> (toUInt32(bit + 1), toUInt64(0), lists, toUInt64(0),
            if(NOT is_deep AND bitShiftRight(mask, bit) = 1, lists, 0)),
        bitPositionsToArray(mask)),
    arrayMap((at, lists) -> (toUInt32(at), toUInt64(0), lists, toUInt64(0), toUInt64(0)),
        deep.1, deep.2),
    arrayMap((at, lists) -> (toUInt32(at), toUInt64(0), toUInt64(0), toUInt64(0), lists),
        deep_lowest.1, deep_lowest.2)
) AS cell
)
"""  # noqa: S608 - fragments of this module
