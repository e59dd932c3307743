"""What OpenAPI says of the answers of exports."""

from __future__ import annotations

from typing import Any, Final

from api import examples
from api.compression import MEDIA_TYPES
from api.export.parameters import TABLES
from api.responses import Session
from api.tables import NDJSON
from api.watermark import WATERMARK_HEADER
from core.http.openapi import schema_of

Responses = dict[int | str, dict[str, Any]]

_HEADERS: Final = {
    WATERMARK_HEADER: {
        "description": "Everything below it is in the export. Send it back as `received_after`",
        "schema": {"type": "string"},
    }
}
_FILES: Final = {
    media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
    for media_type in (*(each.media_type for each in TABLES.values()), *MEDIA_TYPES.values())
}
_REMOVAL: Final = {
    "session_id": "s-1",
    "session_hash": "e3b0c44298fc1c149afbf4c8996fb924",
    "reason": "irrelevant",
}


def sessions() -> Responses:
    """Of /export/sessions."""
    return _lines({"schema": schema_of(Session), "example": examples.SESSION})


def events() -> Responses:
    """Of /export/events."""
    return _documented("One event per row", _FILES)


def removals() -> Responses:
    """Of /export/removals."""
    return _lines({"schema": {"type": "object"}, "example": _REMOVAL})


def _lines(line: dict[str, Any]) -> Responses:
    return _documented("One session per line or row", {NDJSON.media_type: line, **_FILES})


def _documented(description: str, content: dict[str, Any]) -> Responses:
    return {200: {"description": description, "headers": _HEADERS, "content": content}}
