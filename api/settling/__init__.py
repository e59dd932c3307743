"""Facts of days, computed once; docs/decisions/0007 and 0012."""
