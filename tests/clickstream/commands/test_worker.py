"""`clickstream worker`: what it settles before the worker's own code is there."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

# A worker that computes something with Arrow, has some threads, and says in whose memory it did so:
# Arrow's allocator, the bytes that the C library has of it, and that library's heaps.
_WORKER = """
import ctypes, os, sys, tempfile, threading, types

def heaps(libc):
    libc.fopen.restype = ctypes.c_void_p
    with tempfile.NamedTemporaryFile() as into:
        stream = ctypes.c_void_p(libc.fopen(into.name.encode(), b"w"))
        libc.malloc_info(0, stream)
        libc.fclose(stream)
        return into.read().count(b"<heap nr=")

def run_worker(settings):
    import pyarrow as pa
    import pyarrow.compute as pc
    sums = pc.add(pa.array(range(1000)), 1)
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    together = threading.Barrier(4)
    def allocate():
        libc.malloc(1000)
        together.wait()
    threads = [threading.Thread(target=allocate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(
        pa.default_memory_pool().backend_name,
        pa.system_memory_pool().bytes_allocated(),
        heaps(libc) if hasattr(libc, "malloc_info") else 1,
    )

sys.modules["stream_processors.process.worker"] = types.SimpleNamespace(run_worker=run_worker)
from clickstream.commands.main import main
sys.argv = ["clickstream", "worker"]
main()
"""

_IS_GLIBC = hasattr(ctypes.CDLL(None), "malloc_info")


def test_all_memory_is_in_few_heaps_of_the_c_library() -> None:
    allocator, in_c_library, heaps = memory()
    assert (allocator, in_c_library) == ("system", 8_000)
    assert heaps <= 2


def test_arrows_allocator_can_be_chosen() -> None:
    assert memory(ARROW_DEFAULT_MEMORY_POOL="mimalloc")[:2] == ("mimalloc", 0)


@pytest.mark.skipif(not _IS_GLIBC, reason="only glibc has heaps by thread")
def test_the_number_of_heaps_can_be_chosen() -> None:
    *_, heaps = memory(MALLOC_ARENA_MAX="3")
    assert heaps == 3


def memory(**environment: str) -> tuple[str, int, int]:
    """Arrow's allocator, bytes of its that the C library has, and how many heaps that one has."""
    set_by_nobody = {"ARROW_DEFAULT_MEMORY_POOL", "MALLOC_ARENA_MAX"}
    inherited = {name: value for name, value in os.environ.items() if name not in set_by_nobody}
    ran = subprocess.run(
        [sys.executable, "-c", _WORKER],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    name, in_c_library, heaps = ran.stdout.split()
    return name, int(in_c_library), int(heaps)
