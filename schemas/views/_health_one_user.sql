CREATE OR REPLACE VIEW _health_one_user
AS SELECT
    'one_user' AS finding,
    toUInt64(max(searches)) AS cases,
    toUInt64(sum(searches)) AS total,
    -- Of those above the threshold alone.
    arrayMap(user -> concat(user.2, ': ', toString(-user.1), ' searches'),
        arrayFilter(user -> -user.1 > 0.1 * total, groupArraySorted(3)((-toInt64(searches), user)))) AS examples,
    {one_of:UInt64} AS one_of
FROM
(
    SELECT assumeNotNull(user_id) AS user, count() AS searches
    FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
    WHERE isNotNull(user_id)
    GROUP BY user
)
COMMENT 'Parameterised: searches of the user_id that has most'
