-- How many events wait for sessions: an event that was posted twice is one.
SELECT uniqExact(event_id) AS events
FROM unjoined_events
PREWHERE session_id IN {session_ids:Array(String)}
