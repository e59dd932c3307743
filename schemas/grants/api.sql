-- The read API reads everything, and erases users.
GRANT SELECT ON $database.*
-- To know whether an operation has left a database with rows of users.
GRANT SHOW DATABASES ON *.*
GRANT SELECT ON system.parts
GRANT SELECT ON system.numbers
GRANT SELECT ON system.processes
GRANT INSERT ON $database.erasures
GRANT INSERT ON $database.erased_sessions
GRANT INSERT ON $database.erased_dead_letters
GRANT INSERT ON $database.erasure_log
GRANT ALTER DELETE ON $database.*
