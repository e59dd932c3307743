-- The worker looks sessions up and writes what it joined. It deletes waiting events once they have
-- found their session, and takes back what was erased while it wrote.
GRANT SELECT ON $database.*
GRANT INSERT ON $database.sessions
GRANT INSERT ON $database.events
GRANT INSERT ON $database.unjoined_events
GRANT INSERT ON $database.session_marks
GRANT INSERT ON $database.dead_letters
GRANT INSERT ON $database.erased_sessions
GRANT INSERT ON $database._topic_epochs
GRANT ALTER DELETE ON $database.*
