"""Program: outlive the parent just long enough to kill what it leaves behind.

    python -I -S orphan_reaper.py

Standard input is a pipe of which the parent holds the only other end. Lines `+PGID` and `-PGID` add
and remove process groups. The kernel closes the parent's end however the parent ends, kill -9
included; then every group still listed gets SIGKILL. Groups, so that the children of our children
are killed as well. Works wherever there are pipes; nothing to poll.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main() -> None:
    for refused in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(refused, signal.SIG_IGN)  # our end is the end of the pipe, nothing else
    groups: set[int] = set()
    for line in sys.stdin:
        sign, group = line[0], int(line[1:])
        if sign == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
