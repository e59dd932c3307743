"""Where a worker's memory comes from: what a peak needed is not kept thread by thread."""

from __future__ import annotations

import ctypes
import os
from typing import Final

# Of glibc's malloc.h.
_M_ARENA_MAX: Final = -8


def share_one_heap() -> None:
    """Let all threads, and Arrow, allocate from one heap of the C library.

    Call it before pyarrow is imported and before the first thread starts. Two variables say
    otherwise where they are set: ARROW_DEFAULT_MEMORY_POOL and MALLOC_ARENA_MAX.
    """
    # Arrow's own allocator has heaps by thread, a hundred megabytes of a worker that catches up.
    # `pyarrow.set_memory_pool` comes too late for it: what Arrow's functions make is there by then.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # So has glibc, fifty megabytes. Other C libraries have no such function, and no such heaps.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, 1)
