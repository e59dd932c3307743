"""`clickstream worker`: what it settles before the worker's own code is there."""

from __future__ import annotations

import os
import subprocess
import sys

# A worker that computes something with Arrow, and says how many bytes of it the C library has.
_WORKER = """
import sys, types

def run_worker(settings):
    import pyarrow as pa
    import pyarrow.compute as pc
    sums = pc.add(pa.array(range(1000)), 1)
    print(pa.default_memory_pool().backend_name, pa.system_memory_pool().bytes_allocated())

sys.modules["stream_processors.worker"] = types.SimpleNamespace(run_worker=run_worker)
from clickstream.cli.main import main
sys.argv = ["clickstream", "worker"]
main()
"""


def test_arrows_memory_comes_from_the_c_library() -> None:
    assert allocator() == "system"


def test_another_allocator_can_be_chosen() -> None:
    assert allocator(ARROW_DEFAULT_MEMORY_POOL="mimalloc") == "mimalloc"


def allocator(**environment: str) -> str:
    """Whose memory a worker's columns are in."""
    inherited = {k: v for k, v in os.environ.items() if k != "ARROW_DEFAULT_MEMORY_POOL"}
    ran = subprocess.run(
        [sys.executable, "-c", _WORKER],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    name, in_c_library = ran.stdout.split()
    assert int(in_c_library) == (8_000 if name == "system" else 0)
    return name
