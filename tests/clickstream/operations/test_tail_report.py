"""A line of the tail on a terminal."""

from __future__ import annotations

import pytest

from api.events.tail_records import TailRecord
from clickstream.operations.tail_report import line_of


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (
            TailRecord("accepted", 1, "session", "s", user_id="ann", search_query="q", results=3),
            ["accepted", "session", "s", "“q”", "3 results", "user ann"],
        ),
        (
            TailRecord("joined", 1, "event", "s", "e", "o", "click", 7),
            ["joined", "event", "s", "e", "click", "o", "position 7"],
        ),
        (TailRecord("joined", 1, "event", "s", "e", "o", "click"), ["joined", "not listed"]),
        (TailRecord("waiting", 1, "event", "s", "e", "o", "click"), ["waiting", "s", "e", "o"]),
        (
            TailRecord("accepted", 1, "mark", "s", is_irrelevant=True),
            ["accepted", "mark", "irrelevant"],
        ),
        (
            TailRecord("refused", 1, None, "s", reason="wrong_key", error="the key is not it"),
            ["refused", "record", "s", "wrong_key: the key is not it"],
        ),
        (
            TailRecord("skipped", 1, records=12_345),
            ["skipped", "12,345 more records were not shown"],
        ),
    ],
)
def test_a_line_has_the_state_and_what_is_known(record: TailRecord, words: list[str]) -> None:
    text = line_of(record).plain
    for word in words:
        before, found, text = text.partition(f" {word}")
        assert found, (word, before)


def test_what_others_sent_cannot_move_the_cursor_or_break_the_line() -> None:
    odd = "\x1b[2J\x1b]0;title\x07\r\n\u202e\u2028é雨[bold]"
    record = TailRecord("refused", 1, "event", odd, odd, odd, odd, reason=odd, error=odd)
    text = line_of(record).plain
    assert text.isprintable()
    assert "é雨[bold]" in text
