"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

# Fills a heap, lets go of all but what lies at its end, and says how many megabytes are resident
# then: at once, and when they are few or a deadline is over.
_TRY = """
import ctypes, sys, time
from stream_processors.process.malloc import trim_malloc_periodically

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
blocks = [libc.malloc(100_000) for _ in range(2_000)]
for block in blocks:
    ctypes.memset(block, 1, 100_000)
for block in blocks[:-1]:
    libc.free(block)
full = resident()
trim_malloc_periodically(0.05) if sys.argv[1] == "yes" else None
deadline = time.monotonic() + float(sys.argv[2])
while resident() > full - 150 and time.monotonic() < deadline:
    time.sleep(0.01)
print(full - resident())
"""


def given_back(asked: str, seconds: float) -> float:
    ran = subprocess.run(
        [sys.executable, "-c", _TRY, asked, str(seconds)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return float(ran.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")
def test_what_is_free_in_front_of_what_is_kept_is_given_back() -> None:
    assert given_back("no", 0.5) < 10, "the heap does not do so by itself"
    assert given_back("yes", 20) > 150
