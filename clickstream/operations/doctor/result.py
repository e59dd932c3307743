"""A check, and its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """`fail`: something is wrong now. `warn`: look at it; the system still counts as healthy."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the report.

    `detail` is a fact; `remedy` says what to do, and is empty when there is nothing to do. The
    runner sets `name`.
    """

    status: Status
    detail: str
    remedy: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `run` may block and may raise: the runner limits its time and reports the error.

    `depends_on` names the checks that must be ok for this one to run.
    """

    name: str
    run: Callable[[], CheckResult]
    depends_on: tuple[str, ...] = ()


def ok(detail: str) -> CheckResult:
    return CheckResult(Status.OK, detail)


def warn(detail: str, remedy: str) -> CheckResult:
    return CheckResult(Status.WARN, detail, remedy)


def fail(detail: str, remedy: str) -> CheckResult:
    return CheckResult(Status.FAIL, detail, remedy)


def healthy(results: Sequence[CheckResult]) -> bool:
    """Whether no check failed."""
    return all(result.status is not Status.FAIL for result in results)
