-- What an export of what came since no longer has, though an earlier one may have had it: sessions
-- that were marked, or whose mark was taken back, and sessions that were erased. Of these the hash
-- alone is known (schemas/erasures.py). An erasure is told for a minute longer: it has no position.
SELECT *
FROM
(
    SELECT
        toNullable(session_id) AS session_id,
        lower(hex(substring(SHA256(assumeNotNull(session_id)), 1, 16))) AS session_hash,
        if({relevance:String} = 'exclude', 'irrelevant', 'relevant') AS reason
    FROM sessions FINAL
    WHERE {relevance:String} != 'include'
        AND session_id IN (
            SELECT session_id FROM session_marks FINAL
            WHERE is_irrelevant = ({relevance:String} = 'exclude') AND $mark_came
        )
        AND (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
        AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND NOT ($session_came)
        AND $known
        AND $filtered
    UNION ALL
    SELECT NULL, lower(hex(session_hash)), 'erased'
    FROM (SELECT DISTINCT session_hash FROM erased_sessions WHERE $erased)
)
ORDER BY reason DESC, session_hash
