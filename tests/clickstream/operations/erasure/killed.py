"""Program: an erasure that dies, as by `kill -9`, before or after its n-th change of ClickHouse.

python -m tests.clickstream.operations.erasure.killed USER before|after NUMBER
"""

from __future__ import annotations

import itertools
import os
import signal
import sys

from core.clickhouse.admin import Server
from core.settings import Settings
from tests.clickstream.operations.erasure.world import erased

_user, _when, _number = sys.argv[1:]
_command = Server.command
_numbers = itertools.count(1)


def counting(server: Server, statement: str, **parameters: object) -> None:
    """`Server.command`, until it is time."""
    is_time = next(_numbers) == int(_number)
    if is_time and _when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    _command(server, statement, **parameters)
    if is_time:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Server.command = counting  # type: ignore[method-assign]
    erased(Settings(), _user)
