"""Run the checks in bounded time, so that one dead server neither blocks nor hides the others."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter

from clickstream.operations.doctor.result import Check, CheckResult, Status, fail, warn
from core.errors import ClickstreamError, TablesTooLarge

# Seconds. Longer than a healthy server needs on a busy machine, and short enough to wait for.
CHECK_SECONDS = 8.0
# Seconds. With `--full`, which reads all days.
FULL_CHECK_SECONDS = 3600.0


def run_checks(
    checks: Sequence[Check], check_seconds: float = CHECK_SECONDS
) -> tuple[CheckResult, ...]:
    """One result for each check, in the order of `checks`.

    Checks that depend on nothing run at the same time; those that depend on them follow when all
    have ended, after `check_seconds` at the latest. A check is skipped, with a warning, when one
    that it depends on is not ok. Raises ValueError when a check depends on an unknown check or on
    itself.
    """
    by_name = {check.name: check for check in checks}
    order = TopologicalSorter({check.name: check.depends_on for check in checks})
    order.prepare()
    results: dict[str, CheckResult] = {}
    failed_dependencies: dict[str, frozenset[str]] = {}
    while order.is_active():
        names = order.get_ready()
        if unknown := set(names) - by_name.keys():
            raise ValueError(f"no check has the name {', '.join(sorted(unknown))}")
        runnable = []
        for check in (by_name[name] for name in names):
            failed = frozenset().union(*(failed_dependencies[name] for name in check.depends_on))
            failed_dependencies[check.name] = failed
            if failed:
                results[check.name] = _skipped(check, failed)
            else:
                runnable.append(check)
        for result in _run(runnable, check_seconds):
            results[result.name] = result
            if result.status is not Status.OK:
                failed_dependencies[result.name] = frozenset({result.name})
        order.done(*names)
    return tuple(results[check.name] for check in checks)


def _skipped(check: Check, failed: frozenset[str]) -> CheckResult:
    names = " and ".join(sorted(failed))
    return replace(warn(f"skipped: depends on {names}", f"fix {names} first"), name=check.name)


def _run(checks: Sequence[Check], check_seconds: float) -> Iterator[CheckResult]:
    # Daemon threads: a thread that is stuck in a client library cannot be ended, only left behind.
    answers: queue.SimpleQueue[CheckResult] = queue.SimpleQueue()
    for check in checks:
        threading.Thread(
            target=lambda check=check: answers.put(_run_one(check)), name=check.name, daemon=True
        ).start()
    timed_out = {check.name for check in checks}
    deadline = time.monotonic() + check_seconds
    while timed_out:
        try:
            result = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        timed_out.remove(result.name)
        yield result
    for name in timed_out:
        result = fail(
            f"no response within {check_seconds:g} s",
            "the server does not respond, or is busy: see its log, and run this again",
        )
        yield replace(result, name=name)


def _run_one(check: Check) -> CheckResult:
    """The result of the check. An error that it raises is a result too."""
    try:
        result = check.run()
    except TablesTooLarge as error:
        # A large system is no broken one.
        result = warn(str(error), "run `clickstream doctor --full`, which may take an hour")
    except ClickstreamError as error:
        result = fail(str(error), "")
    except Exception as error:
        result = fail(f"{type(error).__name__}: {error}", "this check could not be made")
    return replace(result, name=check.name)
