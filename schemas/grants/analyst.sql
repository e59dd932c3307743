-- An analyst reads the public views, the tables of records, and what BI tools ask a database for. Not
-- the dead letters, which hold whatever somebody sent, nor who was erased. Views are read with the
-- rights of their definer, so nothing that they are made of (`_…`) is granted.
GRANT SELECT ON $database.relevant_sessions
GRANT SELECT ON $database.relevant_events
GRANT SELECT ON $database.impressions
GRANT SELECT ON $database.session_outcomes
GRANT SELECT ON $database.analytics_daily
GRANT SELECT ON $database.analytics_queries
GRANT SELECT ON $database.analytics_positions
GRANT SELECT ON $database.session_measures
GRANT SELECT ON $database.session_intents
GRANT SELECT ON $database.session_positions
GRANT SELECT ON $database.session_objects
GRANT SELECT ON $database.metrics_now
GRANT SELECT ON $database.metrics_overview
GRANT SELECT ON $database.metrics_queries
GRANT SELECT ON $database.metrics_positions
GRANT SELECT ON $database.metrics_judgments
GRANT SELECT ON $database.metrics_experiment
GRANT SELECT ON $database.metrics_experiment_users
GRANT SELECT ON $database.metrics_interleaving
GRANT SELECT ON $database.instrumentation_health
GRANT SELECT ON $database.sessions
GRANT SELECT ON $database.events
GRANT SELECT ON $database.unjoined_events
GRANT SELECT ON $database.session_marks
GRANT SELECT ON information_schema.*
-- information_schema.tables takes sizes from it. It shows the parts of tables that one may see.
GRANT SELECT ON system.parts
