CREATE OR REPLACE VIEW session_objects
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT *
FROM _session_objects(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}, one_of = 1
)
COMMENT 'Parameterised: every result that a session of a range showed, and whether it was clicked. Of more than a few million searches, ask part of them: docs/sql.md, Large ranges'
