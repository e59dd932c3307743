"""Two streams in the order of session ids → sessions with their events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from api.queries import EventRow, SessionRow


async def merge_by_session(
    sessions: AsyncIterator[list[SessionRow]], events: AsyncIterator[list[EventRow]]
) -> AsyncIterator[list[tuple[SessionRow, list[EventRow]]]]:
    """Each session with its events, block by block as the sessions come.

    Both streams must be sorted by session_id, as ClickHouse sorts: by bytes, which for UTF-8 is
    the order of Python's strings. Events of sessions that do not come are passed over. Holds one
    block of each stream, and the events of one block of sessions.
    """
    cursor = _EventCursor(events)
    async for block in sessions:
        yield [(session, await cursor.take(session.session_id)) for session in block]


class _EventCursor:
    """A place in the stream of events, that only goes forward."""

    def __init__(self, blocks: AsyncIterator[list[EventRow]]) -> None:
        self._blocks = blocks
        self._block: list[EventRow] = []
        self._at = 0

    async def take(self, session_id: str) -> list[EventRow]:
        """The events of this session; those of smaller ids are passed over."""
        taken: list[EventRow] = []
        while True:
            while self._at < len(self._block):
                event = self._block[self._at]
                if event.session_id > session_id:
                    return taken
                if event.session_id == session_id:
                    taken.append(event)
                self._at += 1
            self._block, self._at = await anext(self._blocks, []), 0
            if not self._block:
                return taken
