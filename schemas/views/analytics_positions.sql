-- Memory and time are linear in the clicks and in the lengths of the lists: a list of n results is
-- counted once, at position n, and each position sums up the lists that end there or further down.
CREATE OR REPLACE VIEW analytics_positions
(
    session_day Nullable(Date) COMMENT 'Day of created_at (UTC); NULL when that was too far from received_at',
    position UInt16 COMMENT '1-based place in the list',
    impressions UInt64 COMMENT 'Results shown there',
    clicked_impressions UInt64 COMMENT 'Of these, how many were clicked at least once',
    position_ctr Float64 COMMENT 'clicked_impressions / impressions'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_day,
    at_position.1 AS position,
    at_position.2 AS impressions,
    at_position.3 AS clicked_impressions,
    clicked_impressions / impressions AS position_ctr
FROM
(
    -- Positions where a list ends or that were clicked, in order, as (position, lists, clicked).
    SELECT
        session_day,
        arraySort(groupArray((at, ending, clicked))) AS cells,
        arrayReverse(arrayCumSum(arrayReverse(cells.2))) AS lists_from,
        arrayPopBack(arrayPushFront(cells.1, toUInt32(0))) AS positions_before
    FROM
    (
        SELECT session_day, change.1 AS at, sum(change.2) AS ending, sum(change.3) AS clicked
        FROM
        (
            -- Lists of one length that were clicked at the same positions are one group.
            SELECT
                session_day,
                results AS listed,
                clicked_positions_mask AS clicked_mask,
                count() AS lists,
                sumMap(clicked_positions_over_64, arrayWithConstant(length(clicked_positions_over_64), toUInt64(1))) AS deep_clicks
            FROM _relevant_session_facts
            GROUP BY session_day, listed, clicked_mask
        )
        ARRAY JOIN arrayConcat(
            [(toUInt32(listed), lists, toUInt64(0))],
            arrayMap(bit -> (toUInt32(bit + 1), toUInt64(0), lists), bitPositionsToArray(clicked_mask)),
            arrayMap((place, clicks) -> (toUInt32(place), toUInt64(0), clicks), deep_clicks.1, deep_clicks.2)
        ) AS change
        WHERE at <= listed  -- a click beyond its list is at no position
        GROUP BY session_day, at
    )
    GROUP BY session_day
)
-- A position between two of these was shown as often as the next one, and never clicked.
ARRAY JOIN arrayFlatten(arrayMap(
    (cell, shown, before) -> arrayMap(
        place -> (toUInt16(place), shown, if(place = cell.1, cell.3, 0)), range(before + 1, cell.1 + 1)
    ),
    cells, lists_from, positions_before
)) AS at_position
COMMENT 'How often each place of the list was shown and clicked, by day'
