-- PREWHERE as in _sessions_to_compute.
CREATE OR REPLACE VIEW _events_to_compute
AS SELECT *
FROM events FINAL
WHERE session_day NOT IN (SELECT session_day FROM _settled_builds)
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT *
FROM events FINAL
PREWHERE session_id IN (SELECT session_id FROM _unsettled_sessions)
WHERE session_day IN (SELECT session_day FROM _settled_builds WHERE other_rows > 0)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The rows of events that no kept facts hold for'
