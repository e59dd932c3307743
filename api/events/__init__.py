"""Single events: what became of one, and those that come now."""
