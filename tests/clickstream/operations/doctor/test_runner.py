"""Bounded in time, in the order asked, and never a hidden culprit."""

from __future__ import annotations

import threading

import pytest

from clickstream.operations.doctor.result import Check, Status, Verdict, fail, healthy, ok, warn
from clickstream.operations.doctor.runner import examine
from core.errors import BrokerUnavailable


def test_findings_come_in_the_order_of_the_checks() -> None:
    checks = [Check("b", lambda: ok("2"), ("a",)), Check("a", lambda: ok("1"))]
    assert [f.name for f in examine(checks)] == ["b", "a"]


def test_a_check_that_hangs_is_named_and_the_others_are_heard() -> None:
    released = threading.Event()

    def hang() -> Verdict:
        released.wait(60)
        return ok("too late")

    hung, fine = examine([Check("hung", hang), Check("fine", lambda: ok("here"))], 0.2)
    released.set()
    assert (hung.status, fine.status) == (Status.FAIL, Status.OK)
    assert "no answer within 0.2 s" in hung.seen


def test_checks_of_one_round_run_at_the_same_time() -> None:
    both_are_here = threading.Barrier(2, timeout=30)

    def meet() -> Verdict:
        both_are_here.wait()
        return ok("met")

    findings = examine([Check("one", meet), Check("two", meet)], 60)
    assert [f.seen for f in findings] == ["met", "met"]


def test_what_depends_on_the_culprit_is_not_blamed() -> None:
    culprit, dependent, further = examine(
        [
            Check("kafka", lambda: fail("silent", "start it")),
            Check("topics", lambda: fail("never asked", ""), ("kafka",)),
            Check("lag", lambda: fail("never asked", ""), ("topics",)),
        ]
    )
    assert culprit.status is Status.FAIL
    assert (dependent.status, dependent.seen) == (Status.WARN, "not looked at, because of kafka")
    assert (further.status, further.seen) == (Status.WARN, "not looked at, because of kafka")


def test_an_expected_error_is_told_in_its_own_words() -> None:
    def refuse() -> Verdict:
        raise BrokerUnavailable("Kafka does not answer")

    (finding,) = examine([Check("kafka", refuse)])
    assert (finding.status, finding.seen) == (Status.FAIL, "Kafka does not answer")


def test_an_unexpected_error_fails_its_check_only() -> None:
    def stumble() -> Verdict:
        raise KeyError("x")

    stumbled, fine = examine([Check("odd", stumble), Check("fine", lambda: ok(""))])
    assert (stumbled.status, fine.status) == (Status.FAIL, Status.OK)
    assert "KeyError" in stumbled.seen


def test_a_need_that_no_check_provides_is_a_mistake_of_the_code() -> None:
    with pytest.raises(ValueError, match="lost"):
        examine([Check("lost", lambda: ok(""), ("nowhere",))])


@pytest.mark.parametrize(
    ("verdict", "expected"), [(ok(""), True), (warn("", ""), True), (fail("", ""), False)]
)
def test_only_failures_make_a_system_unhealthy(verdict: Verdict, expected: bool) -> None:
    assert healthy(examine([Check("one", lambda: verdict)])) is expected
