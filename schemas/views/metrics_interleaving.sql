-- One row per team that was interleaved with `control`. A search credits a team with the distinct
-- positions of its results that were clicked; who has more has won it. `score` is won less lost
-- searches of a user: its squares and products give the variance of the preference (docs/metrics.md).
-- Only searches with a credited click say anything; a session without a user is a unit of its own.
-- Of the teams of one list the first ten count beside the control: each reads the list once.
CREATE OR REPLACE VIEW metrics_interleaving
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    team,
    sum(all_searches) AS searches,
    sum(user_won) AS won,
    sum(user_lost) AS lost,
    sum(user_tied) AS tied,
    searches - won - lost - tied AS searches_without_credit,
    countIf(clicked > 0) AS users,
    countIf(score > 0) AS users_for,
    countIf(score < 0) AS users_against,
    users - users_for - users_against AS users_tied,
    sum(score * score) AS score_squares,
    sum(clicked * clicked) AS search_squares,
    sum(score * clicked) AS products
FROM
(
    SELECT
        team,
        unit,
        count() AS all_searches,
        countIf(credit > control_credit) AS user_won,
        countIf(credit < control_credit) AS user_lost,
        countIf(credit = control_credit AND credit > 0) AS user_tied,
        toInt64(user_won + user_lost + user_tied) AS clicked,
        toInt64(user_won) - toInt64(user_lost) AS score
    FROM
    (
        SELECT
            if(user_hash = 0, session_hash, user_hash) AS unit,
            arrayConcat(
                arrayMap(bit -> toUInt16(bit + 1), bitPositionsToArray(facts.positions_mask)),
                facts.positions_over_64
            ) AS positions,
            length(arrayIntersect(positions, arrayFilter(
                (place, shown) -> shown = {control:String},
                arrayEnumerate(facts.result_teams), facts.result_teams
            ))) AS control_credit,
            arrayJoin(arraySlice(arrayFilter(
                shown -> shown NOT IN ('', {control:String}), arrayDistinct(facts.result_teams)
            ), 1, 10)) AS team,
            length(arrayIntersect(positions, arrayFilter(
                (place, shown) -> shown = team, arrayEnumerate(facts.result_teams), facts.result_teams
            ))) AS credit
        FROM _session_goals(
            from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
            relevance = {relevance:String}, event_type = {event_type:String}
        ) AS facts
        WHERE is_selected AND has(facts.result_teams, {control:String})
    )
    GROUP BY team, unit
)
GROUP BY team
COMMENT 'Parameterised: searches that each team has won and lost against `control` in interleaved lists'
