-- The edge asks whether a session is there before it takes a mark.
GRANT SELECT ON $database.sessions
GRANT SELECT ON $database.session_marks
