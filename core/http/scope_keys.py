"""The keys under which we keep something in the ASGI scope of a request."""

from __future__ import annotations

from typing import Final

CALLER: Final = "clickstream.caller"
"""The name of the caller's key; None when access is open."""

REQUEST_ID: Final = "clickstream.request_id"
"""The id of the request, bytes."""

SEES_POSITIONS: Final = "clickstream.sees_positions"
"""Whether the caller may be told positions; absent until the access check."""

ADDED_HEADERS: Final = "clickstream.added_headers"
"""The list of headers that the response gets, whatever it is."""
