-- What /analytics/overview says besides metrics of searches.
SELECT unjoined_events, dead_letters, irrelevant_sessions
FROM metrics_now
CROSS JOIN
(
    SELECT countIf(is_irrelevant) AS irrelevant_sessions
    FROM _session_goals(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = 'include', event_type = 'click')
) AS marked
