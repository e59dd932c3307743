-- The counts behind /analytics/overview. One row; rates are divided in Python, where "none of none"
-- has a name.
WITH
    irrelevant AS (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant),
    searched AS
    (
        SELECT
            countIf(is_chosen) AS sessions,
            countIf(is_chosen AND shown = 0) AS zero_result_sessions,
            sumIf(shown, is_chosen) AS impressions,
            uniqExactIf(user_id, is_chosen) AS users,
            countIf(is_irrelevant) AS irrelevant_sessions
        FROM
        (
            SELECT
                user_id,
                length(search_results.object_id) AS shown,
                session_id IN irrelevant AS is_irrelevant,
                {relevance:String} = 'include'
                    OR is_irrelevant = ({relevance:String} = 'only') AS is_chosen
            FROM sessions FINAL
            WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date}
                    OR session_day = '1970-01-01')
                AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        )
    ),
    done AS
    (
        SELECT
            sum(of_any_type) AS events,
            sum(of_type) AS clicks,
            sum(unlisted) AS unlisted_events,
            countIf(of_type > 0) AS sessions_with_click,
            sumIf(1 / best, best > 0) AS reciprocal_ranks
        FROM
        (
            SELECT
                session_id,
                count() AS of_any_type,
                countIf(event_type = {event_type:String}) AS of_type,
                countIf(position = 0) AS unlisted,
                minIf(position, event_type = {event_type:String} AND position > 0) AS best
            FROM events FINAL
            WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date}
                    OR session_day = '1970-01-01')
                AND session_created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                AND session_created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
                AND ({relevance:String} = 'include'
                    OR session_id IN irrelevant = ({relevance:String} = 'only'))
            GROUP BY session_id
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
FROM searched, done, waiting, refused
