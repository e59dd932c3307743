"""GET /export/sessions, /export/events and /export/removals."""
