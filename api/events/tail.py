"""`tail`: what is wanted of the log, from now on, and what becomes of it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from api.events.log_follower import Follower
from api.events.outcomes import Outcomes
from api.events.reader import EventId
from api.events.tail_records import TailRecord, Wanted
from core.clock import Clock

# Between two lines that count what was not shown. Seconds.
_SKIPPED_SECONDS: Final = 1.0

# How long, and how much of it, is held back for the session that names its user.
_HELD_SECONDS: Final = 2.0
_MOST_HELD: Final = 1_000


class Sample:
    """At most `per_second` records in each second: the first ones."""

    def __init__(self, per_second: int, clock: Clock) -> None:
        self._per_second = per_second
        self._clock = clock
        self._since = clock.monotonic()
        self._taken = 0

    def takes(self) -> bool:
        """Whether the next record is one of them."""
        now = self._clock.monotonic()
        if now - self._since >= 1.0:
            self._since, self._taken = now, 0
        self._taken += 1
        return self._taken <= self._per_second


class HeldBack:
    """Of one user: what is read before the session that names him. Kafka has no order between
    topics, so an event may come out of it before the session that was posted earlier."""

    def __init__(self, wanted: Wanted, clock: Clock) -> None:
        self._wanted = wanted
        self._clock = clock
        self._held: deque[tuple[float, TailRecord]] = deque(maxlen=_MOST_HELD)

    def release(self, came: Sequence[TailRecord]) -> list[TailRecord]:
        """What came, sessions first, and what was held back for a session that is among them."""
        came = sorted(came, key=lambda record: record.kind != "session")
        is_known = {id(record): self._wanted.matches(record) for record in came}
        released, still = [], []
        for until, record in self._held:
            if self._wanted.matches(record):
                released.append(record)
            elif until > self._clock.monotonic():
                still.append((until, record))
        until = self._clock.monotonic() + _HELD_SECONDS
        still += [(until, record) for record in came if not is_known[id(record)]]
        self._held = deque(still, maxlen=_MOST_HELD)
        return [*came, *released]


async def tail(
    follower: Follower, outcomes: Outcomes, wanted: Wanted, clock: Clock
) -> AsyncGenerator[list[TailRecord], None]:
    """The lines, as they come: a list every fraction of a second, empty when there is nothing.

    It goes on until it is closed. The follower has been started.
    """
    sample = Sample(wanted.per_second, clock)
    held_back = HeldBack(wanted, clock) if wanted.user_ids else None
    skipped, told_at = 0, clock.monotonic()
    while True:
        came, passed_over = await follower.poll()
        if held_back is not None:
            came = held_back.release(came)
        skipped += passed_over
        lines = []
        for record in came:
            is_shown = record.state in wanted.states
            id_ = _to_watch(record) if wanted.outcomes else None
            if not wanted.matches(record) or not (is_shown or id_):
                continue
            if not sample.takes():
                skipped += 1
                continue
            if id_ is not None:
                outcomes.watch(id_)
            if is_shown:
                lines.append(record)
        lines += [line for line in await outcomes.look() if line.state in wanted.states]
        if skipped and clock.monotonic() - told_at >= _SKIPPED_SECONDS:
            lines.append(TailRecord("skipped", clock.now_ms(), records=skipped))
            skipped, told_at = 0, clock.monotonic()
        yield lines


def _to_watch(record: TailRecord) -> EventId | None:
    """The event of which something will become."""
    if record.state != "accepted" or record.session_id is None or record.event_id is None:
        return None
    return EventId(record.session_id, record.event_id)
