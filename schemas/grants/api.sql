-- The read API reads everything, keeps the facts of days that have come to rest, and erases users.
GRANT SELECT ON $database.*
GRANT SELECT ON system.parts
GRANT INSERT ON $database.session_facts
GRANT INSERT ON $database.settled_days
GRANT ALTER DELETE ON $database.session_facts
GRANT ALTER DELETE ON $database.settled_days
