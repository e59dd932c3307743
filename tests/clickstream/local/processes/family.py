"""Program: a parent with a child and a grandchild, for tests that kill it.

    python -m tests.clickstream.local.processes.family kernel|reaper main|thread

Prints the pids of child and grandchild, and the child's log, then waits for ever. `kernel` uses
both nets, `reaper` the portable one alone; `thread` spawns from a thread which is gone when they
are printed.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import threading
from pathlib import Path

import psutil

from clickstream.local.processes.process_manager import Command, ProcessManager

# Starts a process of its own, tells its pid, then answers each SIGUSR1 with a line.
CHILD = """
import signal, subprocess, sys
signal.signal(signal.SIGUSR1, lambda *_: print("alive", flush=True))
grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(grandchild.pid, flush=True)
while True:
    signal.pause()
"""


def main() -> None:
    net, place = sys.argv[1:]
    log = Path(tempfile.mkdtemp()) / "child.log"
    manager = ProcessManager() if net == "kernel" else ProcessManager(kernel=False)
    pids: list[int] = []

    def spawn() -> None:
        child = manager.spawn(Command("child", [sys.executable, "-c", CHILD], log))
        child.wait_until_ready(lambda: log.read_text().endswith("\n"), 20)
        pids.extend([child.pid, int(log.read_text())])

    if place == "thread":
        thread = threading.Thread(target=spawn)
        thread.start()
        thread.join()
        while thread.native_id in {each.id for each in psutil.Process().threads()}:
            pass  # Python's thread has ended, the kernel's is about to
    else:
        spawn()
    print(json.dumps([pids, str(log)]), flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
