CREATE OR REPLACE VIEW _health_placeholder_ids
AS SELECT
    'placeholder_ids' AS finding,
    toUInt64(sumIf(rows, label != '')) AS cases,
    toUInt64(sum(rows)) AS total,
    arrayMap(most -> concat(most.2, ': ', toString(-most.1), ' times'), groupArraySortedIf(3)((-toInt64(rows), label), label != '')) AS examples,
    {one_of:UInt64} AS one_of
FROM (
    SELECT label, sum(weight) AS rows
    FROM
    (
        WITH arrayFirst(id -> id IN (SELECT id FROM _placeholder_ids), result_ids) AS placeholder
        SELECT
            multiIf(
                user_id IN (SELECT id FROM _placeholder_ids), concat('user_id ', ifNull(user_id, '')),
                placeholder != '', concat('object_id of a result ', placeholder),
                ''
            ) AS label,
            1 AS weight
        FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
        WHERE session_id NOT IN (SELECT id FROM _placeholder_ids)
        UNION ALL
        -- One search has this id, with the events of many. A sample would have all of them or none.
        SELECT concat('session_id ', session_id) AS label, 1 + events AS weight
        FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = 1)
        WHERE session_id IN (SELECT id FROM _placeholder_ids)
            AND (session_hour, session_hash) IN (
                SELECT toInt32(intDiv(toUnixTimestamp64Milli(created_at), 3600000)), sipHash64(session_id)
                FROM sessions
                WHERE session_id IN (SELECT id FROM _placeholder_ids)
            )
        UNION ALL
        SELECT
            multiIf(
                event_id IN (SELECT id FROM _placeholder_ids), concat('event_id ', event_id),
                object_id IN (SELECT id FROM _placeholder_ids), concat('object_id of an event ', object_id),
                ''
            ) AS label,
            1 AS weight
        FROM _health_events(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
        UNION ALL
        SELECT
            if(session_id IN (SELECT id FROM _placeholder_ids), concat('session_id of a waiting event ', session_id), '') AS label,
            1 AS weight
        FROM unjoined_events FINAL
        WHERE received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    )
    GROUP BY label
)
COMMENT 'Parameterised: ids that stand for no id'
