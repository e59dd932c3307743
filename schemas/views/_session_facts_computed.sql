-- The columns of _session_facts_fresh, for every session: what is stored is computed by it.
CREATE OR REPLACE VIEW _session_facts_computed
AS SELECT
    session_day,
    session_id,
    reinterpretAsUInt128(sipHash128(session_id)) AS session_key,
    anyIf(session_created_at, is_session) AS created_at,
    anyIf(query, is_session) AS search_query,
    anyIf(user, is_session) AS user_id,
    if(isNull(user_id), toUInt128(0), reinterpretAsUInt128(sipHash128(assumeNotNull(user_id)))) AS user_key,
    toUInt32(sum(shown)) AS impressions,
    toUInt32(countIf(NOT is_session)) AS events,
    toUInt32(countIf(NOT is_session AND place = 0)) AS unlisted_events,
    toUInt32(countIf(is_click)) AS clicks,
    minIf(place, is_click AND place > 0) AS clicked_position,
    groupBitOrIf(bitShiftLeft(toUInt64(1), toUInt8(place - 1)), is_click AND place BETWEEN 1 AND 64) AS clicked_places,
    groupUniqArrayIf(place, is_click AND place > 64) AS clicked_deep
FROM
(
    SELECT
        session_day, session_id, true AS is_session, created_at AS session_created_at, search_query AS query,
        user_id AS user, toUInt32(length(search_results.object_id)) AS shown,
        toUInt16(0) AS place, false AS is_click
    FROM sessions FINAL
    SETTINGS do_not_merge_across_partitions_select_final = 1
    UNION ALL
    SELECT
        session_day, session_id, false AS is_session, toDateTime64(0, 3, 'UTC') AS session_created_at, '' AS query,
        NULL AS user, toUInt32(0) AS shown,
        position AS place, event_type = 'click' AS is_click
    FROM events FINAL
    SETTINGS do_not_merge_across_partitions_select_final = 1
)
GROUP BY session_day, session_id
HAVING countIf(is_session) > 0
COMMENT 'The facts of every session, computed now. Read _session_facts_now'
