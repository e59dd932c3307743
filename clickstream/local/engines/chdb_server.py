"""Program: ClickHouse's HTTP and native servers from `libchdb.so`, until SIGTERM.

    python -m clickstream.local.engines.chdb_server LIBRARY CONFIG DATA HTTP_PORT TCP_PORT

The library exports clickhouse-local, which can open the real servers by SQL and then runs as long
as its last statement: one that reads a pipe until that is closed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

from clickstream.local.processes.ports import LOOPBACK

# The HTTP and the native server, then a read that ends when our end of the pipe is closed.
_QUERY = """
SYSTEM START LISTEN HTTP;
SYSTEM START LISTEN TCP;
SELECT * FROM file('-', 'LineAsString', 'line String') FORMAT Null
"""
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    library, config, data, http_port, tcp_port = sys.argv[1:]
    # Blocked before any thread exists, so that every thread inherits it and only we are told.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    held_open = _pipe_as_standard_input()
    local = threading.Thread(
        target=_run_clickhouse_local,
        args=(
            library,
            [
                f"--config-file={config}",
                f"--path={data}",
                f"--listen_host={LOOPBACK}",
                f"--http_port={http_port}",
                f"--tcp_port={tcp_port}",
                f"--query={_QUERY}",
            ],
        ),
    )
    local.start()
    signal.sigwait(_STOP_SIGNALS)
    os.close(held_open)
    local.join()


def _pipe_as_standard_input() -> int:
    """Make standard input the end of a new pipe; returns the other end."""
    read_end, write_end = os.pipe()
    os.dup2(read_end, sys.stdin.fileno())
    os.close(read_end)
    return write_end


def _run_clickhouse_local(path: str, options: list[str]) -> None:
    """Blocks until the last statement has ended; then, or when it fails at once, wakes `main`."""
    try:
        library = ctypes.CDLL(path)
        run = library.query_stable_v2
        run.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]
        run.restype = ctypes.c_void_p  # a result that we leave to the end of the process
        arguments = [b"clickhouse", *(option.encode() for option in options)]
        run(len(arguments), (ctypes.c_char_p * len(arguments))(*arguments))
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
