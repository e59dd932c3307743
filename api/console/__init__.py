"""The console: a page at `/` on the endpoints of the read API."""
