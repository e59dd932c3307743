-- One row per position of the list, from the top to `limit`. Memory and time are linear in the clicks
-- and in the lengths of the lists: a list of n results is counted once, at position n, and each
-- position sums up the lists that end there or further down.
CREATE OR REPLACE VIEW metrics_positions
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    -- Wilson's interval of 95 % of a rate: docs/metrics.md, "Intervals".
    (hits, of) -> if(of = 0, NULL, greatest(0., (hits + 1.920729410347062
        - 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_low,
    (hits, of) -> if(of = 0, NULL, least(1., (hits + 1.920729410347062
        + 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_high
SELECT
    at_position.1 AS position,
    at_position.2 AS impressions,
    at_position.3 AS clicked_impressions,
    clicked_impressions / impressions AS position_ctr,
    wilson_low(clicked_impressions, impressions) AS position_ctr_low,
    wilson_high(clicked_impressions, impressions) AS position_ctr_high
FROM
(
    -- Positions where a list ends or that were clicked, in order, as (position, lists, clicked).
    SELECT
        arraySort(groupArray((at, ending, clicked))) AS cells,
        arrayReverse(arrayCumSum(arrayReverse(cells.2))) AS lists_from,
        arrayPopBack(arrayPushFront(cells.1, toUInt32(0))) AS positions_before
    FROM
    (
        SELECT change.1 AS at, sum(change.2) AS ending, sum(change.3) AS clicked
        FROM
        (
            -- Lists of one length that were clicked at the same positions are one group.
            SELECT
                least(facts.results, {limit:UInt32}) AS listed,
                positions_mask AS clicked_mask,
                count() AS lists,
                sumMap(positions_over_64, arrayWithConstant(length(positions_over_64), toUInt64(1))) AS deep_clicks
            FROM _session_goals(
                from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
                relevance = {relevance:String}, event_type = {event_type:String}
            ) AS facts
            WHERE is_selected
            GROUP BY listed, clicked_mask
        )
        ARRAY JOIN arrayConcat(
            [(toUInt32(listed), lists, toUInt64(0))],
            arrayMap(bit -> (toUInt32(bit + 1), toUInt64(0), lists), bitPositionsToArray(clicked_mask)),
            arrayMap((place, clicks) -> (toUInt32(place), toUInt64(0), clicks), deep_clicks.1, deep_clicks.2)
        ) AS change
        WHERE at <= listed  -- a click beyond its list is at no position
        GROUP BY at
    )
)
-- A position between two of these was shown as often as the next one, and never clicked.
ARRAY JOIN arrayFlatten(arrayMap(
    (cell, shown, before) -> arrayMap(
        place -> (toUInt16(place), shown, if(place = cell.1, cell.3, 0)), range(before + 1, cell.1 + 1)
    ),
    cells, lists_from, positions_before
)) AS at_position
COMMENT 'Parameterised: how often each position of the list was shown and clicked in a range'
