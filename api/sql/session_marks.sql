-- The marks of sessions; the caller keeps the row of the highest version, the last word. No row for a
-- session that was never marked.
SELECT session_id, is_irrelevant, version
FROM session_marks
PREWHERE session_id IN {session_ids:Array(String)}
