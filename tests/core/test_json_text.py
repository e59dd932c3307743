from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.json_text import compact, deeper_than, is_out_of_range
from tests.producers.bodies import UNHURRIED

_ANY_JSON = st.recursive(
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet='[]{}"\\ax1e90 \n', max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet='[{"\\1 ', max_size=4), inner, max_size=3)
    ),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


def holds(value: Any) -> bool:
    """Whether every number of it fits."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return all(map(holds, value))
    if isinstance(value, int):
        return -(2**63) <= value < 2**64
    return not isinstance(value, float) or abs(value) != float("inf")


@UNHURRIED
@given(value=_ANY_JSON)
def test_the_limit_is_the_depth_of_the_value(value: Any) -> None:
    text, depth = json.dumps(value).encode(), depth_of(value)
    assert not deeper_than(depth, text)
    assert depth == 0 or deeper_than(depth - 1, text)


@UNHURRIED
@given(value=_ANY_JSON, indent=st.sampled_from([None, 0, 3]))
def test_compact_text_has_the_same_value_and_is_one_line(value: Any, indent: int | None) -> None:
    expected = json.dumps(value, separators=(",", ":"))
    assert compact(json.dumps(value, indent=indent)) == expected
    assert compact(expected) == expected


@UNHURRIED
@given(
    value=st.recursive(
        st.integers(-(2**64), 2**65)
        | st.sampled_from([2**63, 2**64, -(2**63), -(2**63) - 1, 1.5e308, 10**400, "1e999"])
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    )
)
def test_numbers_that_do_not_fit_are_found(value: Any) -> None:
    text = json.dumps([value]).encode()
    assert is_out_of_range(text) == (not holds(value))


@pytest.mark.parametrize(
    ("number", "fits"),
    [
        *[("1e308", True), ("1e309", False), ("-1E+400", False), ("1e-999", True), ("0e999", True)],
        *[("0." + "9" * 40, True), ("9" * 30 + ".5", True), ("9" * 30 + "e2", True)],
        *[("18446744073709551615", True), ("18446744073709551616", False)],
        *[("-9223372036854775808", True), ("-9223372036854775809", False)],
        *[("9" * 5_000, False), ("0." + "1" * 5_000, False)],
    ],
)
def test_bounds_of_numbers(number: str, fits: bool) -> None:
    assert is_out_of_range(f'{{"a": "x\\\\", "n":{number}}}'.encode()) != fits
    assert not is_out_of_range(f'{{"a": "{number}", "{number}": "\\"{number}"}}'.encode())
