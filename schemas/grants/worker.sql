-- The worker looks sessions up and writes what it joined. It deletes waiting events once they have
-- found their session, and rows of erased users that came late.
GRANT SELECT ON $database.*
GRANT INSERT ON $database.sessions
GRANT INSERT ON $database.events
GRANT INSERT ON $database.unjoined_events
GRANT INSERT ON $database.session_marks
GRANT INSERT ON $database.dead_letters
GRANT ALTER DELETE ON $database.unjoined_events
