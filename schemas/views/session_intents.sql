CREATE OR REPLACE VIEW session_intents
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT *
FROM _session_intents(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}, one_of = 1
)
COMMENT 'Parameterised: the same as session_measures, and which searches were typed on. Of more than a few million searches, ask part of the users: docs/sql.md, Large ranges'
