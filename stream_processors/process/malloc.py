"""Where a worker's memory comes from, and goes: what a peak needed is not kept for ever."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable
from typing import Final

# Of glibc's malloc.h.
_M_ARENA_MAX: Final = -8

# One for the thread that fetches, one for those that decode and write. A single one costs a tenth
# of the CPU of events, in which each waits for the other.
_HEAPS: Final = 2

# Nobody can allocate while a heap is trimmed, and what comes next has to be mapped anew: every two
# seconds that was a tenth of the CPU of events.
_TRIM_SECONDS: Final = 10.0


def limit_malloc_arenas() -> None:
    """Let all threads, and Arrow, allocate from two heaps of the C library.

    Call it before pyarrow is imported and before the first thread starts. Two variables say
    otherwise where they are set: ARROW_DEFAULT_MEMORY_POOL and MALLOC_ARENA_MAX.
    """
    # Arrow's own allocator has heaps by thread, a hundred megabytes of a worker that catches up.
    # `pyarrow.set_memory_pool` comes too late for it: what Arrow's functions make is there by then.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # So has glibc. Other C libraries have no such function, and no such heaps.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, _HEAPS)


def trim_malloc_periodically(seconds: float = _TRIM_SECONDS) -> None:
    """From now on, return freed memory to the system every so often. Does nothing without glibc.

    By itself a heap gives back only what is free at its end, and there the index of sessions puts
    some of what it keeps for minutes.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        threading.Thread(target=_trim_for_ever, args=(trim, seconds), daemon=True).start()


def _trim_for_ever(trim: Callable[[int], int], seconds: float) -> None:
    while True:
        time.sleep(seconds)
        trim(0)
