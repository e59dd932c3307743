CREATE OR REPLACE VIEW _session_facts_kept
AS SELECT *
FROM _session_facts
WHERE build IN (SELECT build FROM _settled_builds WHERE other_rows = 0)
UNION ALL
SELECT *
FROM _session_facts
WHERE build IN (SELECT build FROM _settled_builds WHERE other_rows > 0)
    AND session_id NOT IN (SELECT session_id FROM _unsettled_sessions)
COMMENT 'The rows of _session_facts that hold'
