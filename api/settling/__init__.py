"""Facts of days that have come to rest; docs/decisions/0007-session-facts.md."""
