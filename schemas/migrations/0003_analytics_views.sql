-- nodes: LOCAL
-- Numbers for SQL users, from sessions that count. docs/metrics.md defines each; a click is an event
-- of type 'click'. Rows are kept by day, so that WHERE session_day >= ... reads those days alone;
-- sum the counts over days and divide then: rates do not add up.

CREATE OR REPLACE VIEW session_outcomes
(
    session_id String COMMENT 'Caller''s id of the search',
    session_day Date COMMENT 'Day of created_at (UTC); 1970-01-01 when that was too far from received_at',
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened',
    search_query String COMMENT 'The query as the user issued it',
    user_id Nullable(String) COMMENT 'Who searched',
    impressions UInt64 COMMENT 'Results shown; 0 is a zero-result session',
    events UInt64 COMMENT 'Interactions of any type',
    clicks UInt64 COMMENT 'Events of type click, also on objects that were not listed',
    clicked_position UInt16 COMMENT 'Highest place in the list that was clicked (the smallest position); 0: none',
    reciprocal_rank Float64 COMMENT '1 / clicked_position; 0 when there is none'
)
AS SELECT
    session_id,
    session_day,
    created_at,
    search_query,
    user_id,
    length(search_results.object_id) AS impressions,
    done.events AS events,
    done.clicks AS clicks,
    done.clicked_position AS clicked_position,
    if(done.clicked_position > 0, 1 / done.clicked_position, 0) AS reciprocal_rank
FROM relevant_sessions
LEFT JOIN
(
    SELECT
        session_id,
        session_day,
        count() AS events,
        countIf(event_type = 'click') AS clicks,
        minIf(position, event_type = 'click' AND position > 0) AS clicked_position
    FROM relevant_events
    GROUP BY session_id, session_day
) AS done USING (session_id, session_day)
SETTINGS join_use_nulls = 0
COMMENT 'One row per session that counts: what was shown and what came of it';

CREATE OR REPLACE VIEW analytics_daily
(
    session_day Date COMMENT 'Day of created_at (UTC); 1970-01-01 when that was too far from received_at',
    sessions UInt64 COMMENT 'Searches',
    users UInt64 COMMENT 'Distinct user ids',
    zero_result_sessions UInt64 COMMENT 'Searches that showed nothing',
    zero_result_rate Float64 COMMENT 'zero_result_sessions / sessions',
    impressions UInt64 COMMENT 'Results shown',
    events UInt64 COMMENT 'Interactions of any type',
    clicks UInt64 COMMENT 'Events of type click',
    sessions_with_click UInt64 COMMENT 'Searches with at least one click',
    click_through_rate Float64 COMMENT 'sessions_with_click / sessions',
    mean_reciprocal_rank Float64 COMMENT 'Mean over all sessions of 1 / highest clicked place, 0 without one'
)
AS SELECT
    session_day,
    count() AS sessions,
    uniqExact(user_id) AS users,
    countIf(shown.impressions = 0) AS zero_result_sessions,
    zero_result_sessions / sessions AS zero_result_rate,
    sum(shown.impressions) AS impressions,
    sum(shown.events) AS events,
    sum(shown.clicks) AS clicks,
    countIf(shown.clicks > 0) AS sessions_with_click,
    sessions_with_click / sessions AS click_through_rate,
    avg(shown.reciprocal_rank) AS mean_reciprocal_rank
FROM session_outcomes AS shown
GROUP BY session_day
COMMENT 'The numbers of each day';

CREATE OR REPLACE VIEW analytics_queries
(
    session_day Date COMMENT 'Day of created_at (UTC); 1970-01-01 when that was too far from received_at',
    search_query String COMMENT 'The query as the user issued it',
    sessions UInt64 COMMENT 'Searches',
    zero_result_sessions UInt64 COMMENT 'Searches that showed nothing',
    zero_result_rate Float64 COMMENT 'zero_result_sessions / sessions',
    impressions UInt64 COMMENT 'Results shown',
    clicks UInt64 COMMENT 'Events of type click',
    sessions_with_click UInt64 COMMENT 'Searches with at least one click',
    click_through_rate Float64 COMMENT 'sessions_with_click / sessions',
    mean_reciprocal_rank Float64 COMMENT 'Mean over all sessions of 1 / highest clicked place, 0 without one'
)
AS SELECT
    session_day,
    search_query,
    count() AS sessions,
    countIf(shown.impressions = 0) AS zero_result_sessions,
    zero_result_sessions / sessions AS zero_result_rate,
    sum(shown.impressions) AS impressions,
    sum(shown.clicks) AS clicks,
    countIf(shown.clicks > 0) AS sessions_with_click,
    sessions_with_click / sessions AS click_through_rate,
    avg(shown.reciprocal_rank) AS mean_reciprocal_rank
FROM session_outcomes AS shown
GROUP BY session_day, search_query
COMMENT 'The numbers of each query text and day';

CREATE OR REPLACE VIEW analytics_positions
(
    session_day Date COMMENT 'Day of created_at (UTC); 1970-01-01 when that was too far from received_at',
    position UInt16 COMMENT '1-based place in the list',
    impressions UInt64 COMMENT 'Results shown there',
    clicked_impressions UInt64 COMMENT 'Of these, how many were clicked at least once',
    click_through_rate Float64 COMMENT 'clicked_impressions / impressions'
)
AS SELECT
    session_day,
    position,
    shown.impressions AS impressions,
    clicked.clicked_impressions AS clicked_impressions,
    clicked_impressions / impressions AS click_through_rate
FROM
(
    -- A list of n results is one impression at each of the places 1 to n.
    SELECT session_day, toUInt16(place) AS position, sum(lists) AS impressions
    FROM
    (
        SELECT session_day, length(search_results.object_id) AS listed, count() AS lists
        FROM relevant_sessions
        GROUP BY session_day, listed
    )
    ARRAY JOIN range(1, listed + 1) AS place
    GROUP BY session_day, position
) AS shown
LEFT JOIN
(
    SELECT session_day, position, uniqExact(session_id) AS clicked_impressions
    FROM relevant_events
    WHERE event_type = 'click' AND position > 0
    GROUP BY session_day, position
) AS clicked USING (session_day, position)
SETTINGS join_use_nulls = 0
COMMENT 'How often each place of the list was shown and clicked, by day';
