-- Both sides of an `if` are evaluated for every row, so no bit may be asked for that is not there.
CREATE OR REPLACE VIEW analytics_positions
(
    session_day Date COMMENT 'Day of created_at (UTC); 1970-01-01 when that was too far from received_at',
    position UInt16 COMMENT '1-based place in the list',
    impressions UInt64 COMMENT 'Results shown there',
    clicked_impressions UInt64 COMMENT 'Of these, how many were clicked at least once',
    click_through_rate Float64 COMMENT 'clicked_impressions / impressions'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_day,
    toUInt16(place) AS position,
    sum(lists) AS impressions,
    sum(if(place > 64, countEqual(deep, place), if(bitTest(places, least(place, 64) - 1), lists, 0)))
        AS clicked_impressions,
    clicked_impressions / impressions AS click_through_rate
FROM
(
    -- Lists of one length that were clicked at the same places count together.
    SELECT
        session_day,
        facts.impressions AS listed,
        clicked_places AS places,
        count() AS lists,
        groupArrayArray(clicked_deep) AS deep
    FROM _relevant_session_facts AS facts
    GROUP BY session_day, listed, places
)
-- A list of n results is one impression at each of the places 1 to n.
ARRAY JOIN range(1, listed + 1) AS place
GROUP BY session_day, position
COMMENT 'How often each place of the list was shown and clicked, by day'
