-- Where to cut a partition into portions of so many sessions: the last id of each but the last portion.
-- $some: as in export_lines.sql; sessions that are posted twice, and not merged yet, count twice.
SELECT session_id AS last_id
FROM
(
    SELECT session_id, rowNumberInAllBlocks() AS before
    FROM
    (
        SELECT session_id FROM sessions
        WHERE session_day = {session_day:Date} AND session_id > {after:String} AND $some
        ORDER BY session_id
    )
)
WHERE before % {sessions:UInt32} = {sessions:UInt32} - 1
