"""Program: ClickHouse's HTTP and native servers from `libchdb.so`, until SIGTERM.

    python -m clickstream.local.engines.chdb_server LIBRARY CONFIG DATA HTTP_PORT [TCP_PORT]

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

_START_HTTP = "SYSTEM START LISTEN HTTP"
_START_TCP = "SYSTEM START LISTEN TCP"
# A read that ends when our end of the pipe is closed.
_STAY = "SELECT * FROM file('-', 'LineAsString', 'line String') FORMAT Null"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Result(ctypes.Structure):
    """`local_result_v2` of chdb.h."""

    _fields_ = (
        ("buffer", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("vector", ctypes.c_void_p),
        ("elapsed", ctypes.c_double),
        ("rows_read", ctypes.c_uint64),
        ("bytes_read", ctypes.c_uint64),
        ("error", ctypes.c_char_p),
    )


def main() -> None:
    library, config, data, http_port, *tcp_port = sys.argv[1:]
    statements = (_START_HTTP, *([_START_TCP] if tcp_port else []), _STAY)
    ended = threading.Event()
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
                *(f"--tcp_port={port}" for port in tcp_port),
                f"--query={';'.join(statements)}",
            ],
            ended,
        ),
    )
    local.start()
    signal.sigwait(_STOP_SIGNALS)
    is_failure = ended.is_set()
    os.close(held_open)
    local.join()
    if is_failure:
        sys.exit("ClickHouse ended by itself; what it said is above")


def _pipe_as_standard_input() -> int:
    """Make standard input the end of a new pipe; returns the other end."""
    read_end, write_end = os.pipe()
    os.dup2(read_end, sys.stdin.fileno())
    os.close(read_end)
    return write_end


def _run_clickhouse_local(path: str, options: list[str], ended: threading.Event) -> None:
    """Blocks until the last statement has ended. Then, or when it fails at once, sets `ended` and
    wakes `main`, which has gone on already if it was told to stop."""
    try:
        library = ctypes.CDLL(path)
        run = library.query_stable_v2
        run.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]
        run.restype = ctypes.POINTER(_Result)  # which we leave to the end of the process
        arguments = [b"clickhouse", *(option.encode() for option in options)]
        result = run(len(arguments), (ctypes.c_char_p * len(arguments))(*arguments))
        if result and result.contents.error:
            said = result.contents.error.decode(errors="replace").partition("Stack trace")[0]
            print(said, file=sys.stderr, flush=True)
    finally:
        ended.set()
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
