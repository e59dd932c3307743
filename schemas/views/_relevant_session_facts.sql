CREATE OR REPLACE VIEW _relevant_session_facts
AS SELECT *
FROM _session_facts_now
WHERE session_key NOT IN
(
    SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM session_marks FINAL WHERE is_irrelevant
)
COMMENT 'The facts of the sessions that count'
