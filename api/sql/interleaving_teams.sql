-- The first team by name: the control of /analytics/interleaving when none is asked for.
SELECT min(each) AS team
FROM
(
    SELECT arrayJoin(result_teams) AS each
    FROM _session_goals(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = {relevance:String},
        event_type = 'click'
    )
    WHERE is_selected
)
WHERE each != ''
