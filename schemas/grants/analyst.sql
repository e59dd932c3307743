-- An analyst reads the views and what they are made of: not the dead letters, which hold whatever
-- somebody sent, nor who was erased.
GRANT SELECT ON $database.sessions
GRANT SELECT ON $database.events
GRANT SELECT ON $database.unjoined_events
GRANT SELECT ON $database.session_marks
GRANT SELECT ON $database.relevant_sessions
GRANT SELECT ON $database.relevant_events
GRANT SELECT ON $database.impressions
GRANT SELECT ON $database.session_outcomes
GRANT SELECT ON $database.analytics_daily
GRANT SELECT ON $database.analytics_queries
GRANT SELECT ON $database.analytics_positions
GRANT SELECT ON $database.session_facts
GRANT SELECT ON $database.session_type_facts
GRANT SELECT ON $database.settled_days
GRANT SELECT ON $database.settled_builds
GRANT SELECT ON $database.day_contents
GRANT SELECT ON $database.session_facts_now
GRANT SELECT ON $database.session_facts_computed
GRANT SELECT ON $database.session_type_facts_computed
GRANT SELECT ON $database.relevant_session_facts
GRANT SELECT ON $database.schema_migrations
GRANT SELECT ON system.parts
