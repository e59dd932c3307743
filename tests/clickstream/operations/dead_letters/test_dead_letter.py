from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clickstream.operations.dead_letters.dead_letter import (
    Entry,
    Letter,
    Place,
    State,
    parse_place,
    parse_since,
)
from clickstream.operations.dead_letters.examine import Looker, dump, shown_bytes
from clickstream.operations.dead_letters.report import lines_of
from clickstream.operations.dead_letters.republish import outgoing, why_not
from clickstream.operations.dead_letters.select import select
from core.errors import SetupError
from core.kafka.partitioner import partition_of
from core.settings import Settings
from schemas.codec import Encoder
from schemas.contracts import EVENT
from schemas.dead_letters import Attempt, Headers
from schemas.registry import MemoryRegistry
from tests.stream_processors.records import event

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
PREFIX = "clickstream."
SETTINGS = Settings(_env_file=None)


def letter(
    value: bytes | None = b"v", key: bytes | None = b"s", headers: Headers = (), cut_bytes: int = 0
) -> Letter:
    place = Place("clickstream.events", 3, 1041)
    size = len(value or b"")
    entry = Entry(place, State.OPEN, 2, "wrong_partition", "no \x1b[2J", NOW, size, cut_bytes)
    return Letter(entry, key, value, headers, 5, 2000)


def test_a_name_may_lack_the_topics_prefix() -> None:
    place = Place("clickstream.events", 3, 1041)
    assert parse_place("events/3@1041", PREFIX) == place
    assert parse_place(str(place), PREFIX) == place


@pytest.mark.parametrize("text", ["events", "events/3", "events/x@1", "events/3@-1", ""])
def test_what_is_no_name_is_said_so(text: str) -> None:
    with pytest.raises(SetupError, match="they look like"):
        parse_place(text, PREFIX)


def test_a_moment_is_said_in_several_ways() -> None:
    assert parse_since("15m", NOW) == NOW - timedelta(minutes=15)
    assert parse_since("7d", NOW) == NOW - timedelta(days=7)
    assert parse_since("2030-01-31T13:00:00+01:00", NOW) == NOW
    assert parse_since("2030-01-31T12:00:00", NOW) == NOW
    with pytest.raises(SetupError, match="--since yesterday"):
        parse_since("yesterday", NOW)


def test_letters_that_are_named_are_meant_in_any_state_others_only_while_they_are_open() -> None:
    assert select(PREFIX, ["events/1@2"], [], [], None, None, 0).states == tuple(State)
    assert select(PREFIX, [], ["wrong_key"], [], None, None, 0).states == (State.OPEN,)
    with pytest.raises(SetupError, match="say one of null_value, bad_magic_byte"):
        select(PREFIX, [], ["wrong_kee"], [], None, None, 0)


def test_a_replayed_record_is_what_was_posted_on_the_partition_of_its_key() -> None:
    headers = [("trace", b"1"), Attempt(3, 1041, 2).header(), ("trace", None)]
    record = outgoing(letter(headers=headers), 8)
    assert (record.topic, record.key, record.value) == ("clickstream.events", b"s", b"v")
    assert record.partition == partition_of("s", 8)
    assert list(record.headers) == [
        *(("trace", b"1"), ("trace", None)),
        Attempt(3, 1041, 3).header(),
    ]


def test_a_record_without_a_key_goes_where_it_was() -> None:
    assert outgoing(letter(key=None), 8).partition == 5


def test_what_is_not_whole_is_not_replayed() -> None:
    assert why_not(letter()) is None
    assert "--value-file" in (why_not(letter(cut_bytes=1)) or "")


def test_a_dump_is_as_hexdump_has_it() -> None:
    assert list(dump(b"\x00clickstream" * 2, 16)) == [
        "00000000  00 63 6c 69 63 6b 73 74 72 65 61 6d 00 63 6c 69  |.clickstream.cli|",
        "… 8 more bytes",
    ]


def test_bytes_that_would_move_the_cursor_are_shown_as_digits() -> None:
    assert shown_bytes(b"\x1b[2J") == "0x1b5b324a"
    assert shown_bytes("ключ".encode()) == "ключ"
    assert shown_bytes(b"\xff") == "0xff"
    assert shown_bytes(None) is None


def test_a_letter_is_judged_as_the_workers_would_today() -> None:
    registry = MemoryRegistry()
    looker = Looker(SETTINGS, registry)
    schema_id = registry.register("clickstream.events-value", EVENT.text)
    value = Encoder(EVENT, schema_id).encode(event("s", "e"))

    mended = looker.look(letter(value))
    assert mended.verdict is None
    assert '"event_id": "e"' in (mended.record or "")

    still = looker.look(letter(value, key=b"other"))
    assert (still.verdict or "").startswith("wrong_key: ")
    assert looker.look(letter(value[:-1])).record is None

    said = "\n".join(lines_of(letter(value), mended, 0))
    assert "\x1b" not in said
    assert "would be stored: replay it" in said
