CREATE OR REPLACE VIEW _session_facts_now
AS SELECT
    session_day, session_id, session_key, created_at, search_query, user_id, user_key, impressions, events,
    unlisted_events, clicks, clicked_position, clicked_places, clicked_deep
FROM _session_facts_kept
UNION ALL
SELECT
    session_day, session_id, session_key, created_at, search_query, user_id, user_key, impressions, events,
    unlisted_events, clicks, clicked_position, clicked_places, clicked_deep
FROM _session_facts_fresh
COMMENT 'The facts of every session, marked or not: kept ones where they hold, computed ones of all others'
