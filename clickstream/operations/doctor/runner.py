"""Run every check in bounded time, so that one dead server neither hangs nor hides the others."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence

from clickstream.operations.doctor.result import Check, CheckResult, Status, Verdict
from core.errors import ClickstreamError

# Longer than any healthy answer on a busy machine; short enough to be waited for at 3 a.m.
CHECK_SECONDS = 8.0


def examine(
    checks: Sequence[Check], check_seconds: float = CHECK_SECONDS
) -> tuple[CheckResult, ...]:
    """One finding for each check, in their order.

    Checks run at the same time, in as many rounds as `needs` makes steps, and each round ends after
    `check_seconds`. A check that needs one which did not come out ok is not run and becomes a
    warning. Raises ValueError when a need is not among the checks, or waits for itself.
    """
    found: dict[str, CheckResult] = {}
    culprits: dict[str, frozenset[str]] = {}  # of each check: who keeps others from being made
    while len(found) < len(checks):
        due = [c for c in checks if c.name not in found and found.keys() >= set(c.needs)]
        if not due:
            waiting = ", ".join(check.name for check in checks if check.name not in found)
            raise ValueError(f"these checks need what nobody provides: {waiting}")
        runnable = []
        for check in due:
            culprits[check.name] = frozenset().union(*(culprits[need] for need in check.needs))
            if culprits[check.name]:
                found[check.name] = _not_looked_at(check, culprits[check.name])
            else:
                runnable.append(check)
        for finding in _run(runnable, check_seconds):
            found[finding.name] = finding
            if finding.status is not Status.OK:
                culprits[finding.name] = frozenset({finding.name})
    return tuple(found[check.name] for check in checks)


def _not_looked_at(check: Check, culprits: frozenset[str]) -> CheckResult:
    who = " and ".join(sorted(culprits))
    return CheckResult(
        check.name, Status.WARN, f"not looked at, because of {who}", f"mend {who} first"
    )


def _run(checks: Sequence[Check], check_seconds: float) -> Iterator[CheckResult]:
    """Daemon threads, because a thread stuck in a client library cannot be ended, only left."""
    answers: queue.SimpleQueue[CheckResult] = queue.SimpleQueue()
    for check in checks:
        threading.Thread(
            target=lambda check=check: answers.put(_ask(check)), name=check.name, daemon=True
        ).start()
    silent = {check.name: check for check in checks}
    deadline = time.monotonic() + check_seconds
    while silent:
        try:
            finding = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        del silent[finding.name]
        yield finding
    for name in silent:
        yield CheckResult(
            name,
            Status.FAIL,
            f"no answer within {check_seconds:g} s",
            "the server accepts connections and does not serve them: see its log, restart it",
        )


def _ask(check: Check) -> CheckResult:
    """The check's verdict; what it raises is a verdict too, since a doctor must not faint."""
    try:
        verdict = check.look()
    except ClickstreamError as error:
        verdict = Verdict(Status.FAIL, str(error))
    except Exception as error:
        verdict = Verdict(
            Status.FAIL, f"{type(error).__name__}: {error}", "this check could not be made"
        )
    return CheckResult(check.name, verdict.status, verdict.seen, verdict.advice)
