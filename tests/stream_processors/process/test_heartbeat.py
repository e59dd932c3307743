"""A process whose event loop hangs is ended, and says where it hangs; one that works is not."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import asyncio, time
from stream_processors.process.heartbeat import end_when_loop_hangs

def hang():
    time.sleep(60)

async def main():
    beating = asyncio.create_task(end_when_loop_hangs(1.0))
    {work}
    beating.cancel()

asyncio.run(main())
"""


def run(work: str) -> subprocess.CompletedProcess[str]:
    program = _PROGRAM.format(work=work)
    return subprocess.run(  # noqa: PLW1510 - the status is what the tests look at
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50
    )


def test_a_loop_that_hangs_ends_its_process_with_the_stacks_of_its_threads() -> None:
    ended = run("await asyncio.sleep(0.1); hang()")
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert "in hang" in ended.stderr


def test_a_hang_on_a_thread_is_none_of_the_loop() -> None:
    ended = run("await asyncio.wait([asyncio.create_task(asyncio.to_thread(time.sleep, 2.5))])")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_nothing_ends_once_it_is_cancelled() -> None:
    ended = run("await asyncio.sleep(0.1); beating.cancel(); await asyncio.sleep(0); time.sleep(2)")
    assert (ended.returncode, ended.stderr) == (0, "")
