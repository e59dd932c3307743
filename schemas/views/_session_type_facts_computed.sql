CREATE OR REPLACE VIEW _session_type_facts_computed
AS SELECT
    acted.session_day AS session_day,
    acted.event_type AS event_type,
    reinterpretAsUInt128(sipHash128(acted.session_id)) AS session_key,
    searched.created_at AS created_at,
    searched.search_query AS search_query,
    searched.impressions AS impressions,
    acted.events AS events,
    acted.position AS position,
    acted.places AS places,
    acted.deep AS deep
FROM
(
    SELECT
        session_day,
        session_id,
        event_type,
        toUInt32(count()) AS events,
        minIf(place, place > 0) AS position,
        groupBitOrIf(bitShiftLeft(toUInt64(1), toUInt8(place - 1)), place BETWEEN 1 AND 64) AS places,
        groupUniqArrayIf(place, place > 64) AS deep
    FROM
    (
        SELECT session_day, session_id, event_type, position AS place FROM events FINAL WHERE event_type != 'click'
        SETTINGS do_not_merge_across_partitions_select_final = 1
    )
    GROUP BY session_day, session_id, event_type
) AS acted
INNER JOIN
(
    SELECT
        session_day, session_id, created_at, search_query,
        toUInt32(length(search_results.object_id)) AS impressions
    FROM sessions FINAL
    SETTINGS do_not_merge_across_partitions_select_final = 1
) AS searched USING (session_day, session_id)
COMMENT 'The rows of _session_type_facts of every day, computed now'
