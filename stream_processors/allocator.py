"""What the C library keeps of the memory that a peak needed."""

from __future__ import annotations

import ctypes
from typing import Final

# Of glibc's malloc.h.
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

# Fetches and columns of a flush are larger, what Python makes by the record is smaller.
_LARGE_BYTES: Final = 256 * 1024
_ARENAS: Final = 2


def give_back_early() -> None:
    """Call it before the first thread starts. Does nothing where the C library is not glibc.

    glibc keeps what was freed, in an arena for every thread, and soon takes large pieces from there
    in place of the system. With this, what is large is mapped by itself and goes back at once.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)
