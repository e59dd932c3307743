-- The counts for /analytics/overview, in one row. Python divides them: a rate of nothing is null.
WITH
    irrelevant AS
    (
        SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM session_marks FINAL WHERE is_irrelevant
    ),
    session_counts AS
    (
        SELECT
            countIf(is_selected AND is_session_row) AS sessions,
            countIf(is_selected AND is_session_row AND results = 0) AS zero_result_sessions,
            sumIf(results, is_selected AND is_session_row) AS impressions,
            uniqExactIf(user_key, is_selected AND user_key != 0) AS users,
            countIf(is_irrelevant AND is_session_row) AS irrelevant_sessions,
            sumIf(events_of_any_type, is_selected) AS events,
            sumIf(goal_events, is_selected) AS clicks,
            sumIf(unlisted, is_selected) AS unlisted_events,
            countIf(is_selected AND goal_events > 0) AS sessions_with_click,
            sumIf(1 / min_position, is_selected AND min_position > 0) AS reciprocal_ranks
        FROM
        (
            SELECT
                user_key,
                facts.impressions AS results,
                facts.events AS events_of_any_type,
                facts.unlisted_events AS unlisted,
                facts.clicks AS goal_events,
                clicked_position AS min_position,
                $is_session_row AS is_session_row,
                session_key IN irrelevant AS is_irrelevant,
                {relevance:String} = 'include'
                    OR is_irrelevant = ({relevance:String} = 'only') AS is_selected
            FROM $facts AS facts
            WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date}
                    OR session_day = '1970-01-01')
                AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        )
    ),
    unjoined AS
    (
        -- With those that were adopted since the last clean-up, seconds ago: to leave them out, every
        -- id of every session would have to be read.
        SELECT count() AS unjoined_events FROM unjoined_events FINAL
    ),
    rejected AS (SELECT count() AS dead_letters FROM dead_letters FINAL)
SELECT *
FROM session_counts, unjoined, rejected
