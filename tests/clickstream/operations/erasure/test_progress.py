"""A deletion that takes long says how far it is."""

from __future__ import annotations

from typing import Any, cast

import pytest

from clickstream.operations.erasure.delete import Deleter, _side_by_side


@pytest.mark.parametrize(
    ("total", "told"), [(3, []), (10, [2, 4, 6, 8, 10]), (151, [30, 60, 90, 120, 150, 151])]
)
def test_some_lines_are_said_of_what_is_long_and_the_last_is_its_end(
    total: int, told: list[int]
) -> None:
    said: list[str] = []
    nothing = cast(Any, None)
    deleter = Deleter(nothing, nothing, "live", nothing, said.append)
    tell = deleter._telling("deleting", total, "partitions")
    _side_by_side(lambda _: None, range(total), tell)
    assert said == [f"deleting: {done} of {total} partitions" for done in told]
