-- In bounded memory: what is counted is at most the truth, and exact when few users search.
CREATE OR REPLACE VIEW _health_one_user
AS WITH approx_top_countIf(3, 1000)(ifNull(user_id, ''), isNotNull(user_id)) AS users
SELECT
    'one_user' AS finding,
    CAST(total >= 1000 AND cases > threshold * total, 'Bool') AS is_found,
    toUInt64(users[1].2 - users[1].3) AS cases,
    toUInt64(countIf(isNotNull(user_id))) AS total,
    if(total = 0, NULL, cases / total) AS share,
    toFloat64(0.1) AS threshold,
    arrayMap(user -> concat(user.1, ': ', toString(user.2 - user.3), ' searches'),
        arrayFilter(user -> user.2 - user.3 > threshold * total, users)) AS examples,
    'Searches of the user_id that has most of them, of all with a user_id.' AS meaning,
    concat(
        'If it is a backend or a default that stands for everybody, send the id of the person, or none; ',
        'if it is a bot or a monitor, mark its sessions as irrelevant.') AS what_to_do
FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
COMMENT 'Parameterised: searches of the user_id that has most'
