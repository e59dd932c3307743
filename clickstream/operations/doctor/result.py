"""What one check found, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """`fail` is wrong now; `warn` wants to be looked at and does not make the system unhealthy."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the report. `seen` is a fact; `advice` is empty when there is nothing to do."""

    name: str
    status: Status
    seen: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check function returns: a finding that does not know its name yet."""

    status: Status
    seen: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One question.

    `needs` names the checks without whose `ok` this one could only repeat their bad news. `look`
    may block and may raise: `examine` bounds and catches both.
    """

    name: str
    look: Callable[[], Verdict]
    needs: tuple[str, ...] = ()


def ok(seen: str) -> Verdict:
    return Verdict(Status.OK, seen)


def warn(seen: str, advice: str) -> Verdict:
    return Verdict(Status.WARN, seen, advice)


def fail(seen: str, advice: str) -> Verdict:
    return Verdict(Status.FAIL, seen, advice)


def healthy(findings: Sequence[CheckResult]) -> bool:
    """No check failed."""
    return all(finding.status is not Status.FAIL for finding in findings)
