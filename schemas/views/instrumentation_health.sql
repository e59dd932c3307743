CREATE OR REPLACE VIEW instrumentation_health
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT *
FROM _instrumentation_health(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = 1)
COMMENT 'Parameterised: what is wrong in how searches and events are sent, one row a check'
