CREATE OR REPLACE VIEW _health_unlisted_clicks
AS SELECT
    'unlisted_clicks' AS finding,
    CAST(total >= 100 AND cases > threshold * total, 'Bool') AS is_found,
    toUInt64(sum(unlisted_clicks)) AS cases,
    toUInt64(sum(clicks)) AS total,
    if(total = 0, NULL, cases / total) AS share,
    toFloat64(0.05) AS threshold,
    arrayMap(newest -> newest.2, groupArraySortedIf(3)(newest_first, unlisted_clicks > 0)) AS examples,
    'Clicks on objects that the list of their search does not have.' AS meaning,
    concat(
        'Send the same object_id with the result and with the click; post all pages that were shown as ',
        'one list; use a new session_id for each search.') AS what_to_do
FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
COMMENT 'Parameterised: clicks on objects that their search did not list'
