CREATE OR REPLACE VIEW session_outcomes
(
    session_id String COMMENT 'Caller''s id of the search',
    session_day Nullable(Date) COMMENT 'Day of created_at (UTC); NULL when that was too far from received_at',
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened',
    search_query String COMMENT 'The query as the user issued it',
    user_id Nullable(String) COMMENT 'Who searched',
    dimensions Map(String, String) COMMENT 'The paths of CLICKSTREAM_DIMENSIONS, such as search_meta.device, and their values',
    sort_field LowCardinality(String) COMMENT 'field of sort_by; empty without one',
    impressions UInt64 COMMENT 'Results shown; 0 is a zero-result session',
    events UInt64 COMMENT 'Interactions of any type',
    clicks UInt64 COMMENT 'Events of type click, also on objects that were not listed',
    min_clicked_position Nullable(UInt16) COMMENT 'Smallest position with a click; NULL without one',
    reciprocal_rank Float64 COMMENT '1 / min_clicked_position; 0 without one',
    first_click_ms Nullable(Int64) COMMENT 'Milliseconds from the search to the first click; NULL without one, below 0 when clocks differ'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id,
    session_day,
    created_at,
    search_query,
    user_id,
    dimensions,
    sort_field,
    toUInt64(results) AS impressions,
    toUInt64(events) AS events,
    toUInt64(clicks) AS clicks,
    nullIf(facts.min_clicked_position, 0) AS min_clicked_position,
    if(facts.min_clicked_position > 0, 1 / facts.min_clicked_position, 0) AS reciprocal_rank,
    first_click_ms
FROM _relevant_session_facts AS facts
COMMENT 'One row per session that counts: what was shown and what came of it'
