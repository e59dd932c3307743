-- nodes: LOCAL
-- The analytics views of 0003 with the same columns and numbers, read from session_facts_now.

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
    toUInt64(impressions) AS impressions,
    toUInt64(events) AS events,
    toUInt64(clicks) AS clicks,
    clicked_position,
    if(clicked_position > 0, 1 / clicked_position, 0) AS reciprocal_rank
FROM relevant_session_facts
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
    uniqExactIf(facts.user_key, facts.user_key != 0) AS users,
    countIf(facts.impressions = 0) AS zero_result_sessions,
    zero_result_sessions / sessions AS zero_result_rate,
    sum(facts.impressions) AS impressions,
    sum(facts.events) AS events,
    sum(facts.clicks) AS clicks,
    countIf(facts.clicks > 0) AS sessions_with_click,
    sessions_with_click / sessions AS click_through_rate,
    avg(if(facts.clicked_position > 0, 1 / facts.clicked_position, 0)) AS mean_reciprocal_rank
FROM relevant_session_facts AS facts
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
    countIf(facts.impressions = 0) AS zero_result_sessions,
    zero_result_sessions / sessions AS zero_result_rate,
    sum(facts.impressions) AS impressions,
    sum(facts.clicks) AS clicks,
    countIf(facts.clicks > 0) AS sessions_with_click,
    sessions_with_click / sessions AS click_through_rate,
    avg(if(facts.clicked_position > 0, 1 / facts.clicked_position, 0)) AS mean_reciprocal_rank
FROM relevant_session_facts AS facts
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
    toUInt16(place) AS position,
    sum(lists) AS impressions,
    sum(if(place <= 64, if(bitTest(places, place - 1), lists, 0), countEqual(deep, place))) AS clicked_impressions,
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
    FROM relevant_session_facts AS facts
    GROUP BY session_day, listed, places
)
-- A list of n results is one impression at each of the places 1 to n.
ARRAY JOIN range(1, listed + 1) AS place
GROUP BY session_day, position
COMMENT 'How often each place of the list was shown and clicked, by day';

-- Only what is asked for is read: the places come from the lengths of the lists alone.
CREATE OR REPLACE VIEW impressions
(
    session_id String COMMENT 'The search in which it was shown',
    position UInt16 COMMENT '1-based place in the list',
    object_id String COMMENT 'What was shown',
    rank Nullable(Float64) COMMENT 'The caller''s own rank or score',
    meta Nullable(String) COMMENT 'JSON text of the result''s meta',
    search_query String COMMENT 'The query of the search',
    user_id Nullable(String) COMMENT 'Who searched',
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened',
    session_day Date COMMENT 'Partition of the session'
)
AS SELECT
    session_id,
    toUInt16(place) AS position,
    search_results.object_id[place] AS object_id,
    search_results.rank[place] AS rank,
    search_results.meta[place] AS meta,
    search_query, user_id, created_at, session_day
FROM relevant_sessions
ARRAY JOIN range(1, length(search_results.object_id) + 1) AS place
COMMENT 'One row per result shown in a session that counts';
