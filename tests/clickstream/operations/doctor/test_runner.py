"""Bounded in time, in the order asked, and never a hidden cause."""

from __future__ import annotations

import threading

import pytest

from clickstream.operations.doctor.result import Check, CheckResult, Status, fail, healthy, ok, warn
from clickstream.operations.doctor.runner import run_checks
from core.errors import BrokerUnavailable


def test_results_come_in_the_order_of_the_checks() -> None:
    checks = [Check("b", lambda: ok("2"), ("a",)), Check("a", lambda: ok("1"))]
    assert [r.name for r in run_checks(checks)] == ["b", "a"]


def test_a_check_that_hangs_is_named_and_the_others_are_heard() -> None:
    released = threading.Event()

    def hang() -> CheckResult:
        released.wait(60)
        return ok("too late")

    hung, fine = run_checks([Check("hung", hang), Check("fine", lambda: ok("here"))], 0.2)
    released.set()
    assert (hung.status, fine.status) == (Status.FAIL, Status.OK)
    assert "no response within 0.2 s" in hung.detail


def test_checks_of_one_round_run_at_the_same_time() -> None:
    both_are_here = threading.Barrier(2, timeout=30)

    def meet() -> CheckResult:
        both_are_here.wait()
        return ok("met")

    results = run_checks([Check("one", meet), Check("two", meet)], 60)
    assert [r.detail for r in results] == ["met", "met"]


def test_what_depends_on_a_failed_check_is_skipped() -> None:
    failed, dependent, further = run_checks(
        [
            Check("kafka", lambda: fail("away", "start it")),
            Check("topics", lambda: fail("never asked", ""), ("kafka",)),
            Check("lag", lambda: fail("never asked", ""), ("topics",)),
        ]
    )
    assert failed.status is Status.FAIL
    assert (dependent.status, dependent.detail) == (Status.WARN, "skipped: depends on kafka")
    assert (further.status, further.detail) == (Status.WARN, "skipped: depends on kafka")


def test_an_expected_error_is_told_in_its_own_words() -> None:
    def refuse() -> CheckResult:
        raise BrokerUnavailable("Kafka does not answer")

    (result,) = run_checks([Check("kafka", refuse)])
    assert (result.status, result.detail) == (Status.FAIL, "Kafka does not answer")


def test_an_unexpected_error_fails_its_check_only() -> None:
    def stumble() -> CheckResult:
        raise KeyError("x")

    stumbled, fine = run_checks([Check("odd", stumble), Check("fine", lambda: ok(""))])
    assert (stumbled.status, fine.status) == (Status.FAIL, Status.OK)
    assert "KeyError" in stumbled.detail


def test_a_dependency_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        run_checks([Check("lost", lambda: ok(""), ("nowhere",))])


def test_checks_that_depend_on_each_other_are_an_error() -> None:
    with pytest.raises(ValueError, match="cycle"):
        run_checks([Check("a", lambda: ok(""), ("b",)), Check("b", lambda: ok(""), ("a",))])


@pytest.mark.parametrize(
    ("result", "expected"), [(ok(""), True), (warn("", ""), True), (fail("", ""), False)]
)
def test_only_failures_make_a_system_unhealthy(result: CheckResult, expected: bool) -> None:
    assert healthy(run_checks([Check("one", lambda: result)])) is expected
