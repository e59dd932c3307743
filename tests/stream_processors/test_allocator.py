"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

# Frees a large block, takes another one, and says how many of those in use are mapped by
# themselves: usually none, since glibc learns from the first that such blocks come and go.
_TRY = """
import ctypes
from stream_processors.allocator import give_back_early
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd",
        "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
{call}
libc.free(libc.malloc(4 << 20))
before = libc.mallinfo2().hblks
libc.malloc(4 << 20)
print(libc.mallinfo2().hblks - before)
"""


def _mapped(call: str) -> int:
    run = [sys.executable, "-c", _TRY.format(call=call)]
    return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="not glibc 2.33 or later")
def test_large_blocks_are_mapped_by_themselves_also_after_one_was_freed() -> None:
    assert _mapped("") == 0
    assert _mapped("give_back_early()") == 1
