"""Two streams in the order of session ids → sessions with their events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from api.queries import EventRow, SessionRow


async def merge_by_session(
    sessions: AsyncIterator[list[SessionRow]], events: AsyncIterator[list[EventRow]]
) -> AsyncIterator[list[tuple[SessionRow, list[EventRow]]]]:
    """Each session with its events, in the blocks in which the sessions come.

    Both streams must be sorted by session_id as ClickHouse sorts: by bytes, which for UTF-8 is the
    order of Python's strings. Events of sessions that are not in the stream are skipped. Memory:
    one block of each stream, and the events of one block of sessions.
    """
    cursor = _EventCursor(events)
    async for block in sessions:
        yield [(session, await cursor.take(session.session_id)) for session in block]


class _EventCursor:
    """Reads the stream of events forward."""

    def __init__(self, blocks: AsyncIterator[list[EventRow]]) -> None:
        self._blocks = blocks
        self._block: list[EventRow] = []
        self._at = 0

    async def take(self, session_id: str) -> list[EventRow]:
        """The events of this session. Events of smaller session ids are skipped."""
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
