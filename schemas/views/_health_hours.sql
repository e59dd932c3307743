-- The searches of an hour that spans two days, counted back from the end of the range, are two rows.
CREATE OR REPLACE VIEW _health_hours
AS SELECT
    intDiv({to_ms:Int64} - 1 - toUnixTimestamp64Milli(created_at), 86400000) AS days_back,
    session_hour,
    count() AS searches,
    sum(session_events) AS events,
    max(session_events) AS most_events
FROM
(
    SELECT created_at, session_hour, events AS session_events
    FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = 1)
)
GROUP BY days_back, session_hour
COMMENT 'Parameterised: how many searches and events each hour of a range has'
