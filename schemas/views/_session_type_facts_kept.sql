CREATE OR REPLACE VIEW _session_type_facts_kept
AS SELECT *
FROM _session_type_facts
WHERE build IN (SELECT build FROM _settled_builds WHERE other_rows = 0)
UNION ALL
SELECT *
FROM _session_type_facts
WHERE build IN (SELECT build FROM _settled_builds WHERE other_rows > 0)
    AND session_key NOT IN
    (
        SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM _unsettled_sessions
    )
COMMENT 'The rows of _session_type_facts that hold'
