-- The counts behind /analytics/overview. One row; rates are divided in Python, where "none of none"
-- has a name.
WITH
    irrelevant AS
    (
        SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM session_marks FINAL WHERE is_irrelevant
    ),
    counted AS
    (
        SELECT
            countIf(is_chosen AND counts) AS sessions,
            countIf(is_chosen AND counts AND shown = 0) AS zero_result_sessions,
            sumIf(shown, is_chosen AND counts) AS impressions,
            uniqExactIf(user_key, is_chosen AND user_key != 0) AS users,
            countIf(is_irrelevant AND counts) AS irrelevant_sessions,
            sumIf(of_any_type, is_chosen) AS events,
            sumIf(of_type, is_chosen) AS clicks,
            sumIf(unlisted, is_chosen) AS unlisted_events,
            countIf(is_chosen AND of_type > 0) AS sessions_with_click,
            sumIf(1 / best, is_chosen AND best > 0) AS reciprocal_ranks
        FROM
        (
            SELECT
                user_key,
                facts.impressions AS shown,
                facts.events AS of_any_type,
                facts.unlisted_events AS unlisted,
                facts.clicks AS of_type,
                clicked_position AS best,
                $counts AS counts,
                session_key IN irrelevant AS is_irrelevant,
                {relevance:String} = 'include'
                    OR is_irrelevant = ({relevance:String} = 'only') AS is_chosen
            FROM $facts AS facts
            WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date}
                    OR session_day = '1970-01-01')
                AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        )
    ),
    waiting AS
    (
        -- An adopted event may still lie here until the clean-up: its session tells.
        SELECT count() AS unjoined_events
        FROM unjoined_events FINAL
        WHERE session_id NOT IN
        (
            SELECT session_id FROM sessions
            WHERE session_id IN (SELECT session_id FROM unjoined_events)
        )
    ),
    refused AS (SELECT count() AS dead_letters FROM dead_letters FINAL)
SELECT *
FROM counted, waiting, refused
