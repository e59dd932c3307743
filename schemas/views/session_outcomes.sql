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
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id,
    session_day,
    created_at,
    search_query,
    user_id,
    toUInt64(impressions) AS impressions,
    toUInt64(events) AS events,
    toUInt64(clicks) AS clicks,
    clicked_position,
    if(clicked_position > 0, 1 / clicked_position, 0) AS reciprocal_rank
FROM _relevant_session_facts
COMMENT 'One row per session that counts: what was shown and what came of it'
