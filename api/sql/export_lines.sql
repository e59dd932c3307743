-- A portion of a partition's sessions, each once with its events, as the JSON of GET /session
-- (api/assemble.py; tests/api/test_export.py compares the two). Metas are JSON text already. Of marked
-- sessions alone, the events of all that were ever marked are read: marks are taken back meanwhile.
-- $…: conditions of an export of what came since, or of some sessions (api/covered.py).
-- Whatever JSON calls a character of a text, many readers of lines end one at U+0085, U+2028, U+2029.
WITH sessions_of_portion AS
(
    SELECT
        *,
        toBool(session_id IN (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant))
            AS is_irrelevant
    FROM sessions FINAL
    WHERE session_day = {session_day:Date}
        AND session_id > {after:String}
        AND ({up_to:String} = '' OR session_id <= {up_to:String})
        AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND ({relevance:String} = 'include' OR is_irrelevant = ({relevance:String} = 'only'))
        AND $sessions
),
events_of_portion AS
(
    SELECT
        session_id,
        groupArray((
            created_at,
            kafka_offset,
            concat(
                '{"event_id":', toJSONString(event_id),
                ',"object_id":', toJSONString(object_id),
                ',"event_type":', toJSONString(toString(event_type)),
                ',"created_at":', toString(toUnixTimestamp64Milli(created_at)),
                ',"position":', if(position = 0, 'null', toString(position)),
                ',"meta":', ifNull(meta, 'null'),
                '}'
            )
        )) AS objects
    FROM events FINAL
    WHERE {with_events:Bool}
        AND session_day = {session_day:Date}
        AND session_id > {after:String}
        AND ({up_to:String} = '' OR session_id <= {up_to:String})
        AND session_created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND session_created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND ({relevance:String} != 'only' OR session_id IN (SELECT session_id FROM session_marks))
        -- The key of events. It leaves granules unread where ids follow time.
        AND (session_hour, session_hash) IN (
            SELECT toInt32(intDiv(toUnixTimestamp64Milli(created_at), 3600000)), sipHash64(session_id)
            FROM sessions
            WHERE session_day = {session_day:Date}
                AND session_id > {after:String}
                AND ({up_to:String} = '' OR session_id <= {up_to:String})
                AND $some
        )
        AND $events
    GROUP BY session_id
)
SELECT
    replaceAll(replaceAll(replaceAll(concat(
        '{"session_id":', toJSONString(session_id),
        ',"search_query":', toJSONString(search_query),
        ',"search_results":[', arrayStringConcat(arrayMap(
            (object_id, rank, meta) -> concat(
                '{"object_id":', toJSONString(object_id),
                ',"rank":', ifNull(toString(rank), 'null'),
                -- A double stays one to readers that go by its look, such as Polars: 5.0, not 5.
                if(match(ifNull(toString(rank), 'null'), '^-?[0-9]+$'), '.0', ''),
                ',"meta":', ifNull(meta, 'null'),
                '}'
            ),
            `search_results.object_id`, `search_results.rank`, `search_results.meta`
        ), ','),
        '],"search_meta":', ifNull(search_meta, 'null'),
        ',"payload_filter":', ifNull(payload_filter, 'null'),
        ',"sort_by":', ifNull(sort_by, 'null'),
        ',"user_id":', ifNull(toJSONString(user_id), 'null'),
        ',"created_at":', toString(toUnixTimestamp64Milli(created_at)),
        ',"is_irrelevant":', toString(is_irrelevant),
        if({with_events:Bool}, concat(
            ',"events":[', arrayStringConcat(tupleElement(arraySort(objects), 3), ','), ']'
        ), ''),
        '}'
    ), '\xC2\x85', '\\u0085'), '\xE2\x80\xA8', '\\u2028'), '\xE2\x80\xA9', '\\u2029') AS line
FROM sessions_of_portion
LEFT JOIN events_of_portion USING (session_id)
$order
