CREATE OR REPLACE VIEW _health_one_session
AS SELECT
    'one_session' AS finding,
    CAST(total >= 1000 AND cases > threshold * total, 'Bool') AS is_found,
    toUInt64(max(events)) AS cases,
    toUInt64(sum(events)) AS total,
    if(total = 0, NULL, cases / total) AS share,
    toFloat64(0.05) AS threshold,
    arrayMap(most -> concat(most.2, ': ', toString(-most.1), ' events'), groupArraySortedIf(3)((-toInt64(events), session_id), events > 0)) AS examples,
    'Events of the search that has most of them.' AS meaning,
    concat(
        'If its session_id stands for a visit or for everybody, make a new one for each search; if it is ',
        'a bot, mark the session as irrelevant.') AS what_to_do
FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
COMMENT 'Parameterised: events of the search that has most'
