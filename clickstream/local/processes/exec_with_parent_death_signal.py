"""Program: bind this process to its parent's life, then become another program.

    python -I -S exec_with_parent_death_signal.py PARENT_PID COMMAND [ARGUMENT…]

Linux only: asks the kernel for SIGKILL when the thread that started us ends (prctl(2),
PR_SET_PDEATHSIG; it survives execve). A program of its own instead of `preexec_fn`, because Python
code between fork and exec can deadlock in a parent that has threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent ended before this process was bound to it")
    os.execvp(command[0], command)  # noqa: S606  (our own parent wrote the command; no shell)


if __name__ == "__main__":
    main()
