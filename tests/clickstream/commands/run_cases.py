"""Runs many command lines, each in a process of its own, after importing the commands once.

Standard input: a JSON list of `{"words": […], "environment": {…}}`. Standard output: a JSON list of
`{"status": …, "out": …, "err": …}` in the same order; the status is null for one that did not end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from clickstream.commands.main import main

# Seconds for all of them together. Most fail at once; a server that is away takes a few seconds.
_SECONDS = 150.0
_AT_ONCE = 8


def _start(folder: Path, number: int, case: dict) -> int:  # type: ignore[type-arg]
    if pid := os.fork():
        return pid
    os.setsid()
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / f"{number}.{name}", os.O_WRONLY | os.O_CREAT), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(case["environment"])
    sys.argv = ["clickstream", *case["words"]]
    # The interpreter prints what is not caught, as it would for the command itself.
    main()
    sys.exit(0)


def _run(cases: list, folder: Path) -> list:  # type: ignore[type-arg]
    waiting, running, status = list(enumerate(cases)), {}, {}
    deadline = time.monotonic() + _SECONDS
    while (waiting or running) and time.monotonic() < deadline:
        while waiting and len(running) < _AT_ONCE:
            number, case = waiting.pop(0)
            running[_start(folder, number, case)] = number
        pid, ended = os.waitpid(-1, os.WNOHANG)
        if pid:
            status[running.pop(pid)] = os.waitstatus_to_exitcode(ended)
        else:
            time.sleep(0.02)
    for pid in running:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return [
        {
            "status": status.get(number),
            **{name: _read(folder, number, name) for name in ("out", "err")},
        }
        for number in range(len(cases))
    ]


def _read(folder: Path, number: int, name: str) -> str:
    file = folder / f"{number}.{name}"
    return file.read_text(errors="replace") if file.exists() else ""


if __name__ == "__main__":
    print(json.dumps(_run(json.load(sys.stdin), Path(sys.argv[1]))))
