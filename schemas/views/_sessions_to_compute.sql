-- PREWHERE is what FINAL has to merge: only rows of these sessions. They have all their rows with
-- them, as the id is in the keys of both tables.
CREATE OR REPLACE VIEW _sessions_to_compute
AS SELECT *
FROM sessions FINAL
WHERE session_day NOT IN (SELECT session_day FROM _settled_builds)
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT *
FROM sessions FINAL
PREWHERE session_id IN (SELECT session_id FROM _unsettled_sessions)
WHERE session_day IN (SELECT session_day FROM _settled_builds WHERE other_rows > 0)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The rows of sessions that no kept facts hold for'
