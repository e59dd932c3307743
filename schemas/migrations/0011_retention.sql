-- nodes: LOCAL
-- CLICKSTREAM_RETENTION_DAYS sets the TTL of these tables (schemas/retention.py). When it is changed,
-- only the dates on which parts expire are computed anew: no row is written again.

ALTER TABLE sessions MODIFY SETTING materialize_ttl_recalculate_only = 1;
ALTER TABLE events MODIFY SETTING materialize_ttl_recalculate_only = 1;
ALTER TABLE unjoined_events MODIFY SETTING materialize_ttl_recalculate_only = 1;
ALTER TABLE session_marks MODIFY SETTING materialize_ttl_recalculate_only = 1;
ALTER TABLE dead_letters MODIFY SETTING materialize_ttl_recalculate_only = 1;
