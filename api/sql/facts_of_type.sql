-- What _session_facts_now holds, with another type of event in the place of clicks. What is kept gives
-- two kinds of rows: `counts` as a session, or what came of one. They add up, so nothing is joined.
-- What is not kept is grouped here, once, for this type alone.
(
    SELECT
        session_day, session_key, created_at, search_query, user_key,
        true AS counts, impressions, events, unlisted_events,
        toUInt32(0) AS clicks, toUInt16(0) AS clicked_position, toUInt64(0) AS clicked_places,
        CAST([], 'Array(UInt16)') AS clicked_deep
    FROM _session_facts_kept
    UNION ALL
    SELECT
        session_day, session_key, created_at, search_query, toUInt128(0) AS user_key,
        false AS counts, impressions, toUInt32(0) AS events, toUInt32(0) AS unlisted_events,
        kept.events AS clicks, position AS clicked_position, places AS clicked_places,
        deep AS clicked_deep
    FROM _session_type_facts_kept AS kept
    WHERE event_type = {event_type:String}
    UNION ALL
    SELECT
        session_day,
        reinterpretAsUInt128(sipHash128(session_id)) AS session_key,
        anyIf(searched_at, is_session) AS created_at,
        anyIf(query, is_session) AS search_query,
        anyIf(user, is_session) AS user_key,
        true AS counts,
        toUInt32(sum(shown)) AS impressions,
        toUInt32(countIf(NOT is_session)) AS events,
        toUInt32(countIf(NOT is_session AND place = 0)) AS unlisted_events,
        toUInt32(countIf(is_click)) AS clicks,
        minIf(place, is_click AND place > 0) AS clicked_position,
        groupBitOrIf(
            bitShiftLeft(toUInt64(1), toUInt8(place - 1)), is_click AND place BETWEEN 1 AND 64
        ) AS clicked_places,
        groupUniqArrayIf(place, is_click AND place > 64) AS clicked_deep
    FROM
    (
        SELECT
            session_day, session_id, true AS is_session, created_at AS searched_at,
            search_query AS query,
            if(isNull(user_id), toUInt128(0),
                reinterpretAsUInt128(sipHash128(assumeNotNull(user_id)))) AS user,
            toUInt32(length(search_results.object_id)) AS shown,
            toUInt16(0) AS place, false AS is_click
        FROM _sessions_to_compute
        UNION ALL
        SELECT
            session_day, session_id, false AS is_session, toDateTime64(0, 3, 'UTC') AS searched_at,
            '' AS query,
            toUInt128(0) AS user,
            toUInt32(0) AS shown,
            position AS place, event_type = {event_type:String} AS is_click
        FROM _events_to_compute
    )
    GROUP BY session_day, session_id
    HAVING countIf(is_session) > 0
)
