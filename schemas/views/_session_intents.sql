-- Two searches of one user within 30 seconds are one typing run when the text of one begins with the
-- other's, or few characters differ: at most 2, and at most half of the longer text. Upper and lower
-- case, and white space around, make no difference. The last search of a run stands for it.
-- `one_of` is 1 for all users; with 10 it is a tenth of them, and a tenth of the work.
CREATE OR REPLACE VIEW _session_intents
AS SELECT
    *,
    toUInt64(user_hash != 0 AND next_ms - this_ms BETWEEN 0 AND 30000
        AND this_text != '' AND next_text != ''
        AND (
            startsWith(this_text, next_text) OR startsWith(next_text, this_text)
            OR (
                abs(toInt64(lengthUTF8(this_text)) - toInt64(lengthUTF8(next_text))) <= 2
                AND lengthUTF8(this_text) <= 200
                AND editDistanceUTF8(substringUTF8(this_text, 1, 202), substringUTF8(next_text, 1, 202))
                    <= least(2, intDiv(greatest(lengthUTF8(this_text), lengthUTF8(next_text)), 2))
            )
        )) AS reformulated_sessions,
    toUInt64(user_hash != 0) AS sessions_with_user,
    1 - reformulated_sessions AS intents,
    -- Milliseconds from this search to the user's next one; without one, later than any time.
    if(user_hash != 0 AND next_ms >= this_ms, next_ms - this_ms, toInt64(4000000000000000)) AS next_search_ms,
    -- A click's dwell ends with what the user does next, within half an hour.
    arrayFilter(dwell -> dwell <= 1800000, arrayMap(
        span -> least(span.2, if(next_search_ms >= span.1, next_search_ms, toInt64(4000000000000000))) - span.1,
        click_spans)) AS dwells_ms,
    toUInt64(length(dwells_ms)) AS clicks_with_dwell,
    toUInt64(arrayCount(span -> span.2 = 4000000000000000 AND span.1 > next_search_ms, click_spans))
        AS clicks_after_next_search,
    clicks - clicks_with_dwell - clicks_after_next_search AS clicks_without_dwell,
    intents * sessions_with_click AS intents_with_click,
    intents * zero_result_sessions AS zero_result_intents
FROM
(
    SELECT
        *,
        toUnixTimestamp64Milli(created_at) AS this_ms,
        lowerUTF8(trimBoth(search_query)) AS this_text,
        leadInFrame(this_ms, 1, toInt64(-9000000000000)) OVER following AS next_ms,
        leadInFrame(this_text) OVER following AS next_text
    FROM session_measures(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
        relevance = {relevance:String}, event_type = {event_type:String}
    )
    WHERE if(user_hash = 0, session_hash, user_hash) % {one_of:UInt64} = 0
    WINDOW following AS (
        PARTITION BY user_hash ORDER BY created_at, session_id ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING
    )
    -- Ten million searches do not fit into the memory of a small server.
    SETTINGS max_bytes_before_external_sort = 150000000
)
COMMENT 'Parameterised: session_intents of one in so many'
