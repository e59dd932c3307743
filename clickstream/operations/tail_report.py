"""A line of the tail, for people."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rich.text import Text

from api.events.tail_records import TailRecord

_STYLES: Final = {
    "accepted": "cyan",
    "joined": "green",
    "waiting": "yellow",
    "refused": "bold red",
    "skipped": "dim",
}
_LONGEST_ERROR: Final = 160


def line_of(record: TailRecord) -> Text:
    """The local time, what happened, and to what. What others sent cannot move the cursor."""
    at = datetime.fromtimestamp(record.at / 1000).astimezone()
    line = Text(at.strftime("%H:%M:%S.") + f"{at.microsecond // 1000:03} ")
    line.append(f"{record.state:<8} ", _STYLES.get(record.state, ""))
    if record.state == "skipped":
        line.append(f"{record.records or 0:,} more records were not shown", "dim")
        return line
    line.append(f"{record.kind or 'record':<7} ")
    line.append("  ".join(_details(record)))
    return line


def _details(record: TailRecord) -> list[str]:
    parts = [
        _printable(value)
        for value in (record.session_id, record.event_id, record.event_type, record.object_id)
        if value is not None
    ]
    if record.state == "joined":
        parts.append("not listed" if record.position is None else f"position {record.position}")
    if record.search_query is not None:
        parts.append(f"“{_printable(record.search_query)}”")
    if record.results is not None:
        parts.append(f"{record.results} results")
    if record.user_id is not None:
        parts.append(f"user {_printable(record.user_id)}")
    if record.is_irrelevant is not None:
        parts.append("irrelevant" if record.is_irrelevant else "relevant again")
    if record.reason:
        error = _printable((record.error or "")[:_LONGEST_ERROR])
        parts.append(f"{_printable(record.reason)}: {error}")
    return parts


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
