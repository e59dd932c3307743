-- A counter within each search is a good id too: then some search has a second click.
CREATE OR REPLACE VIEW _health_one_event_id
AS SELECT
    'one_event_id' AS finding,
    toUInt64(if(most_clicks > 1, 0, -most.1)) AS cases,
    toUInt64(events) AS total,
    -- Above the threshold alone; no second one can have more than half.
    if(cases > 0.5 * total, [concat(most.2, ': ', toString(cases), ' events')], []) AS examples,
    {one_of:UInt64} AS one_of
FROM
(
    SELECT groupArraySorted(1)((-toInt64(times), event_id))[1] AS most, sum(times) AS events
    FROM
    (
        SELECT event_id, count() AS times
        FROM _health_events(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
        GROUP BY event_id
    )
) AS of_events
CROSS JOIN
(
    SELECT max(clicks) AS most_clicks
    FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
) AS of_searches
COMMENT 'Parameterised: events that have the event_id that is most frequent, when no search has two clicks'
