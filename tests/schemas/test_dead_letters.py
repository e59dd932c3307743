from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letters import REPUBLISH_HEADER, Attempt, attempt_of, without_republish_header


@given(st.integers(0, 999), st.integers(0, 10**17), st.integers(2, 65_535), st.integers(0, 9))
def test_a_replayed_record_says_which_letter_it_repeats(
    partition: int, offset: int, number: int, epoch: int
) -> None:
    attempt = Attempt(partition, offset, number, epoch)
    assert attempt_of(7, 8, [("own", b"x"), attempt.header()], epoch=9) == attempt


@pytest.mark.parametrize(
    "value",
    [
        *(None, b"", b"1/2", b"1/2/3", b"1/2/1/0", b"1/2/0/0", b"-1/2/3/0", b"1/2/65536/0"),
        *(b"1/2/3/0 ", b"1/2/3/10", b"\xff"),
    ],
)
def test_a_header_that_we_could_not_have_written_counts_for_nothing(value: bytes | None) -> None:
    assert attempt_of(7, 8, [(REPUBLISH_HEADER, value)], epoch=9) == Attempt(7, 8, 1, 9)


def test_of_several_replays_the_last_one_counts() -> None:
    headers = [Attempt(1, 2, 2).header(), ("own", None), Attempt(1, 2, 3).header()]
    assert attempt_of(7, 8, headers).number == 3
    assert list(without_republish_header(headers)) == [("own", None)]
