CREATE OR REPLACE VIEW _health_placeholder_ids
AS SELECT
    'placeholder_ids' AS finding,
    CAST(total >= 1 AND cases > threshold * total, 'Bool') AS is_found,
    toUInt64(sumIf(rows, label != '')) AS cases,
    toUInt64(sum(rows)) AS total,
    if(total = 0, NULL, cases / total) AS share,
    toFloat64(0) AS threshold,
    arrayMap(most -> concat(most.2, ': ', toString(-most.1), ' times'), groupArraySortedIf(3)((-toInt64(rows), label), label != '')) AS examples,
    concat(
        'Searches and events with an id that a program writes when it has none, such as undefined, null ',
        'or [object Object].') AS meaning,
    concat(
        'Send user_id only when there is one; see where the page takes the other ids from: all searches ',
        'that share a session_id are one to us.') AS what_to_do
FROM (
    SELECT label, sum(weight) AS rows
    FROM
    (
        WITH arrayFirst(id -> id IN (SELECT id FROM _placeholder_ids), result_ids) AS placeholder
        SELECT
            multiIf(
                session_id IN (SELECT id FROM _placeholder_ids), concat('session_id ', session_id),
                user_id IN (SELECT id FROM _placeholder_ids), concat('user_id ', ifNull(user_id, '')),
                placeholder != '', concat('object_id of a result ', placeholder),
                ''
            ) AS label,
            if(session_id IN (SELECT id FROM _placeholder_ids), 1 + events, 1) AS weight
        FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
        UNION ALL
        SELECT
            multiIf(
                event_id IN (SELECT id FROM _placeholder_ids), concat('event_id ', event_id),
                object_id IN (SELECT id FROM _placeholder_ids), concat('object_id of an event ', object_id),
                ''
            ) AS label,
            1 AS weight
        FROM _health_events(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
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
