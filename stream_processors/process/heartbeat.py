"""Ends a process whose event loop hangs. Everything else that watches the worker runs on that loop,
and would hang with it."""

from __future__ import annotations

import threading
from collections.abc import Callable

_TICK_SECONDS = 1.0


class Heartbeat:
    """Counts its own ticks since the last beat, not the time: a process that was stopped for an
    hour (SIGSTOP, a suspended machine) has not hung for an hour."""

    def __init__(self, patience_seconds: float, on_silence: Callable[[], object]) -> None:
        """`on_silence` is called once, on a thread of its own, after so long without a beat."""
        self._patience_ticks = max(1, round(patience_seconds / _TICK_SECONDS))
        self._on_silence = on_silence
        self._ticks = 0
        self._stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        """It will not be called any more."""
        self._stopping.set()

    def beat(self) -> None:
        """The loop is alive. From any thread."""
        self._ticks = 0

    def tick(self) -> bool:
        """A second has passed; whether that was one too many."""
        self._ticks += 1
        return self._ticks > self._patience_ticks

    def _run(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            if self.tick():
                self._on_silence()
                return
