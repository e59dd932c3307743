from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.nesting import deeper_than
from tests.producers.bodies import UNHURRIED

_ANY_JSON = st.recursive(
    st.integers() | st.text(alphabet='[]{}"\\ax', max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet='[{"\\', max_size=4), inner, max_size=3)
    ),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@UNHURRIED
@given(value=_ANY_JSON)
def test_the_limit_is_the_depth_of_the_value(value: Any) -> None:
    body, depth = json.dumps(value).encode(), depth_of(value)
    assert not deeper_than(depth, body)
    assert depth == 0 or deeper_than(depth - 1, body)


def test_brackets_inside_strings_do_not_count() -> None:
    assert not deeper_than(1, json.dumps({"a": "[" * 100 + '"\\'}).encode())


@UNHURRIED
@given(body=st.text(alphabet='[]{}"\\', max_size=200), limit=st.integers(1, 5))
def test_text_that_is_not_json_has_an_answer_too(body: str, limit: int) -> None:
    assert deeper_than(limit, body.encode()) in (True, False)


@pytest.mark.parametrize("part", [b'\\"', b'"', b"[", b"[]", b'"\\', b"{[", b"]["])
def test_two_megabytes_of_anything_take_no_quadratic_time(part: bytes) -> None:
    # With a quadratic scan this takes minutes, and the suite's timeout ends it.
    deeper_than(64, part * (2 * 1024 * 1024 // len(part)))
