"""Restart what died: soon the first time, ever later when it keeps dying.

It never gives up: what keeps a process from living (a full disk, a server that is down) is mostly
fixed while it tries, and the other processes go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from core.clock import Clock
from core.errors import EngineError

# The first restart is nearly at once: most deaths are single. Doubling from there, a process that
# cannot live costs one start per half minute.
_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0
# Having lived for so long, the next death counts as a first one again.
_STABLE_SECONDS = 60.0


class Restartable(Protocol):
    """A process as the supervisor sees it; none of these blocks."""

    @property
    def name(self) -> str:
        """For the line that is said about it."""
        ...

    def exit_status(self) -> int | None:
        """None unless it has ended by itself."""
        ...

    def spawn(self) -> None:
        """Start it again. Raises EngineError when it cannot be executed; it stays dead then."""
        ...


@dataclass(slots=True)
class _Record:
    """What is known of one process."""

    started_at: float
    delay: float = _FIRST_DELAY_SECONDS
    restart_at: float | None = None


class Supervisor:
    """Looks after processes that have been started. Not thread-safe: one loop calls `tick`."""

    def __init__(
        self, processes: Sequence[Restartable], clock: Clock, say: Callable[[str], None]
    ) -> None:
        self._clock = clock
        self._say = say
        self._records = [(process, _Record(clock.monotonic())) for process in processes]

    def tick(self) -> None:
        """Notice each death once, and restart what is due. Call it a few times a second."""
        now = self._clock.monotonic()
        for process, record in self._records:
            status = process.exit_status()
            if status is None:
                continue
            if record.restart_at is None:
                self._schedule(process.name, status, record, now)
            elif now >= record.restart_at:
                record.restart_at, record.started_at = None, now
                self._spawn(process)

    def _spawn(self, process: Restartable) -> None:
        """One that cannot even be executed counts as dead at once, and is tried again later."""
        try:
            process.spawn()
        except EngineError as error:
            self._say(str(error))

    def _schedule(self, name: str, status: int, record: _Record, now: float) -> None:
        lived = now - record.started_at
        if lived >= _STABLE_SECONDS:
            record.delay = _FIRST_DELAY_SECONDS
        record.restart_at = now + record.delay
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        at = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        self._say(
            f"{at:%Y-%m-%d %H:%M:%S} UTC: {name} {how} after {lived:.0f} s; "
            f"restarting it in {record.delay:g} s"
        )
        record.delay = min(record.delay * 2, _LONGEST_DELAY_SECONDS)
