-- What /analytics/overview says besides metrics.
SELECT unjoined_events, dead_letters, irrelevant_sessions
FROM
(
    -- With those that were adopted since the last clean-up, seconds ago: to leave them out, every id of
    -- every session would have to be read.
    SELECT count() AS unjoined_events FROM unjoined_events FINAL
) AS unjoined
CROSS JOIN (SELECT count() AS dead_letters FROM dead_letters FINAL) AS rejected
CROSS JOIN
(
    SELECT countIf(is_irrelevant) AS irrelevant_sessions
    FROM _session_goals(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = 'include', event_type = 'click')
) AS marked
