"""Run a `LocalStack` in the foreground: signals in, orderly end out."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial

from clickstream.local.endpoints import Endpoints
from clickstream.local.up.stack import LocalStack, StackOptions
from clickstream.progress import ConsoleProgress
from core.settings import Settings

# Ctrl-C, an init system's request, and the terminal that was closed.
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_in_foreground(
    options: StackOptions,
    prepare: Callable[[Settings], object],
    announce: Callable[[Endpoints], None],
) -> None:
    """Start, `prepare` the servers, announce, watch; return once a stop signal has come and
    everything has ended.

    Call it in the main thread. Raises EngineError when something does not start; everything has
    ended then too. A second signal changes nothing: the end is bounded in time.
    """
    os.umask(0o077)  # what is stored here is for no other account of the machine
    progress = ConsoleProgress()
    system = LocalStack(options, progress)
    _on_stop_signals(signal.default_int_handler)
    try:
        announce(system.start(partial(_prepared, prepare)))
        system.watch()
    except KeyboardInterrupt:
        progress.say("stopping")
    finally:
        _on_stop_signals(signal.SIG_IGN)
        system.stop()


def _prepared(prepare: Callable[[Settings], object], settings: Settings) -> None:
    """No connection is left over afterwards."""
    from clickhouse_connect.driver.httputil import close_managers

    prepare(settings)
    close_managers()  # ClickHouse waits 5 s at its end for a client that keeps one idle: us


def _on_stop_signals(handler: signal.Handlers | Callable[..., object]) -> None:
    """Set, not inherited: a shell starts background jobs with SIGINT ignored."""
    for number in _STOP_SIGNALS:
        signal.signal(number, handler)
