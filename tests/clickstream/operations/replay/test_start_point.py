"""What may follow `--from`."""

from __future__ import annotations

import pytest

from clickstream.operations.replay.start_point import (
    Earliest,
    FromOffset,
    FromTime,
    Origin,
    parse_origin,
    rfc3339,
)
from core.errors import SetupError


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("earliest", Earliest()),
        ("offset:0", FromOffset(0)),
        ("offset:123456", FromOffset(123_456)),
        ("timestamp:1782864000123", FromTime(1_782_864_000_123)),
        ("timestamp:2026-07-01T00:00:00Z", FromTime(1_782_864_000_000)),
        ("timestamp:2026-07-01T02:00:00.123+02:00", FromTime(1_782_864_000_123)),
    ],
)
def test_each_form_is_understood(text: str, origin: Origin) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "latest",
        "earliest:",
        "offset:",
        "offset:-1",
        "offset:1.5",
        "offset:²",
        "timestamp:",
        "timestamp:yesterday",
        "timestamp:2026-07-01T00:00:00",  # whose midnight?
        "timestamp:1782864000",  # seconds
        "timestamp:1782864000000000",  # microseconds
    ],
)
def test_anything_else_is_refused_with_what_to_say_instead(text: str) -> None:
    with pytest.raises(SetupError, match="--from"):
        parse_origin(text)


@pytest.mark.parametrize("text", ["earliest", "offset:7", "timestamp:2026-07-01T00:00:00.250Z"])
def test_an_origin_prints_as_it_is_written(text: str) -> None:
    assert str(parse_origin(text)) == text


def test_a_moment_is_printed_to_the_millisecond() -> None:
    assert rfc3339(1_782_864_000_007) == "2026-07-01T00:00:00.007Z"
