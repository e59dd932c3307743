"""Goes through waiting events in portions: adopts those of stored sessions, and deletes them."""

from __future__ import annotations

from stream_processors.write.facts import touched
from stream_processors.write.sink import BEFORE_ALL, Sink


class CleanUp:
    """Of everything that waits, or of one session. Each step is one attempt and bounded.

    That of one session only adopts. Its events are to be seen soon, and a deletion takes several
    times as long; the round over everything deletes them.
    """

    def __init__(self, sink: Sink, session_id: str | None = None) -> None:
        self._sink = sink
        self._session_id = session_id
        self._first = BEFORE_ALL if session_id is None else (session_id, "")
        self._after = self._first
        self.is_over = False
        """Whether the last step adopted the last portion; the next one begins at the first."""

    def step(self) -> None:
        """Adopt the next portion, and delete it. Raises SinkUnavailable.

        What could not be deleted is left to the next round: it does not hold up adoption.
        """
        portion = self._sink.waiting_portion(self._after)
        if portion is None:
            self._after, self.is_over = self._first, True
            return
        adopted = self._sink.adopt_waiting(portion)
        # A portion of the last events of one session has some of the next ones: no harm is done.
        self.is_over = portion.is_last or self._session_id not in (None, portion.last[0])
        self._after = self._first if self.is_over else portion.last
        # Before they are deleted: until then a crash leaves them to the next clean-up.
        if adopted.num_rows:
            self._sink.refresh_facts(touched(adopted, "created_at", is_posted=False))
        if self._session_id is None:
            self._sink.delete_adopted(adopted, portion)
