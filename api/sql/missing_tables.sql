-- What this process reads and the database lacks.
SELECT arrayJoin(
    ['sessions', 'events', 'session_marks', 'unjoined_events', 'dead_letters', 'session_facts']
) AS table
WHERE table NOT IN (SELECT name FROM system.tables WHERE database = currentDatabase())
