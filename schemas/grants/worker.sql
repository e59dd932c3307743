-- The worker looks sessions up and writes what it joined. It deletes waiting events once they have
-- found their session, and takes back what was erased while it wrote.
GRANT SELECT ON $database.*
GRANT INSERT ON $database.sessions
GRANT INSERT ON $database.events
GRANT INSERT ON $database.unjoined_events
GRANT INSERT ON $database.session_marks
GRANT INSERT ON $database.dead_letters
GRANT INSERT ON $database.session_facts
GRANT INSERT ON $database.facts_progress
GRANT INSERT ON $database.late_joins
GRANT INSERT ON $database.erased_sessions
GRANT INSERT ON $database._topic_epochs
GRANT ALTER DELETE ON $database.*
-- Before it deletes waiting events, it looks whether a deletion is under way, and ends one that fails:
-- a deletion is an update of the hidden column of deleted rows.
GRANT SELECT ON system.mutations
GRANT ALTER UPDATE ON $database.unjoined_events
-- One worker shows how many rows and parts the tables have.
GRANT SELECT ON system.parts
