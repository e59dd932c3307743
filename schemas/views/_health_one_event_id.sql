-- A counter within each search is a good id too: then some search has a second click.
CREATE OR REPLACE VIEW _health_one_event_id
AS SELECT
    'one_event_id' AS finding,
    CAST(total >= 1000 AND cases > threshold * total, 'Bool') AS is_found,
    toUInt64(if(most_clicks > 1, 0, ids[1].2 - ids[1].3)) AS cases,
    toUInt64(events) AS total,
    if(total = 0, NULL, cases / total) AS share,
    toFloat64(0.5) AS threshold,
    arrayMap(id -> concat(id.1, ': ', toString(id.2 - id.3), ' events'),
        arrayFilter(id -> most_clicks <= 1 AND id.2 - id.3 > threshold * total, ids)) AS examples,
    concat(
        'Events with the most frequent event_id, when no search has a second click: the first event of an ',
        'id stands, so others of the same search are lost.') AS meaning,
    concat(
        'Give each event of a search an id of its own, such as a UUID, and keep it when the same event is ',
        'sent again.') AS what_to_do
FROM (
    SELECT approx_top_count(3, 1000)(event_id) AS ids, count() AS events FROM _health_events(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
) AS of_events
CROSS JOIN
(
    SELECT max(clicks) AS most_clicks FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
) AS of_searches
COMMENT 'Parameterised: events that have the event_id that is most frequent, when no search has two clicks'
