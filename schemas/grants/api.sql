-- The read API reads everything, keeps the facts of days that have come to rest, and erases users.
GRANT SELECT ON $database.*
-- To know whether an operation has left a database with rows of users.
GRANT SHOW DATABASES ON *.*
GRANT SELECT ON system.parts
GRANT SELECT ON system.numbers
GRANT SELECT ON system.processes
GRANT INSERT ON $database._session_facts
GRANT INSERT ON $database._session_type_facts
GRANT INSERT ON $database._settled_days
GRANT INSERT ON $database.erasures
GRANT INSERT ON $database.erased_sessions
GRANT INSERT ON $database.erased_dead_letters
GRANT INSERT ON $database.erasure_log
GRANT ALTER DELETE ON $database.*
