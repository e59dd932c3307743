-- Reciprocal ranks as in session_measures.
CREATE OR REPLACE VIEW analytics_queries
(
    session_day Nullable(Date) COMMENT 'Day of created_at (UTC); NULL when that was too far from received_at',
    search_query String COMMENT 'The query as the user issued it',
    sessions UInt64 COMMENT 'Searches',
    zero_result_sessions UInt64 COMMENT 'Searches that showed nothing',
    zero_result_rate Float64 COMMENT 'zero_result_sessions / sessions',
    impressions UInt64 COMMENT 'Results shown',
    clicks UInt64 COMMENT 'Events of type click',
    sessions_with_click UInt64 COMMENT 'Searches with at least one click',
    session_ctr Float64 COMMENT 'sessions_with_click / sessions',
    mean_reciprocal_rank Float64 COMMENT 'Mean over all sessions of 1 / smallest clicked position, 0 without one'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_day,
    search_query,
    count() AS sessions,
    countIf(results = 0) AS zero_result_sessions,
    zero_result_sessions / sessions AS zero_result_rate,
    sum(results) AS impressions,
    sum(facts.clicks) AS clicks,
    countIf(facts.clicks > 0) AS sessions_with_click,
    sessions_with_click / sessions AS session_ctr,
    sumIf(intDivOrZero(232792560, min_clicked_position), min_clicked_position > 0) / 232792560 / sessions AS mean_reciprocal_rank
FROM _relevant_session_facts AS facts
GROUP BY session_day, search_query
COMMENT 'The numbers of each query text and day. For some days of session_day: docs/sql.md, Large ranges'
