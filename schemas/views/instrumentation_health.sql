-- Each check is a view of its own, with the same columns and parameters.
CREATE OR REPLACE VIEW instrumentation_health
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
SELECT * FROM _health_searches_without_events(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
UNION ALL
SELECT * FROM _health_unlisted_clicks(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
UNION ALL
SELECT * FROM _health_clicks_at_position_1(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
UNION ALL
SELECT * FROM _health_one_user(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
UNION ALL
SELECT * FROM _health_one_session(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
UNION ALL
SELECT * FROM _health_one_event_id(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
UNION ALL
SELECT * FROM _health_event_mix(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
UNION ALL
SELECT * FROM _health_clock_skew(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
UNION ALL
SELECT * FROM _health_posts_not_stored(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
UNION ALL
SELECT * FROM _health_placeholder_ids(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
COMMENT 'Parameterised: what is wrong in how searches and events are sent, one row a check'
