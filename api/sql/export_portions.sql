-- Where to cut a partition into portions of so many sessions: the last id of each but the last portion.
SELECT session_id AS last_id
FROM
(
    SELECT session_id, rowNumberInAllBlocks() AS before
    FROM (SELECT session_id FROM sessions WHERE session_day = {session_day:Date} ORDER BY session_id)
)
WHERE before % {sessions:UInt32} = {sessions:UInt32} - 1
