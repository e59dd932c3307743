-- How many events wait for each of these sessions: an event that was posted twice is one.
SELECT session_id, uniqExact(event_id) AS events
FROM unjoined_events
PREWHERE session_id IN {session_ids:Array(String)}
GROUP BY session_id
