-- The last word on one session; no row when it was never marked.
SELECT is_irrelevant
FROM session_marks
WHERE session_id = {session_id:String}
ORDER BY version DESC
LIMIT 1
