from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clickstream.operations.dead_letters.dead_letter import (
    DeadLetter,
    DeadLetterId,
    State,
    Summary,
    parse_id,
    parse_since,
    select,
)
from clickstream.operations.dead_letters.report import (
    Inspector,
    dead_letter_lines,
    dump,
    shown_bytes,
)
from clickstream.operations.dead_letters.republish import not_whole, outgoing
from core.errors import SetupError
from core.kafka.partitioner import partition_of
from core.settings import Settings
from schemas.codec import Encoder
from schemas.contracts import EVENT
from schemas.dead_letters import Attempt, Headers
from tests.schemas.memory_registry import MemoryRegistry
from tests.stream_processors.records import event

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
PREFIX = "clickstream."
SETTINGS = Settings(_env_file=None)


def dead_letter(
    value: bytes | None = b"v", key: bytes | None = b"s", headers: Headers = (), cut_bytes: int = 0
) -> DeadLetter:
    id_ = DeadLetterId("clickstream.events", 3, 1041)
    size = len(value or b"")
    summary = Summary(id_, State.PENDING, 2, "wrong_partition", "no \x1b[2J", NOW, size, cut_bytes)
    return DeadLetter(summary, key, value, headers, DeadLetterId("clickstream.events", 5, 2000))


def test_a_name_may_lack_the_topics_prefix() -> None:
    id_ = DeadLetterId("clickstream.events", 3, 1041)
    assert parse_id("events/3@1041", PREFIX) == id_
    assert parse_id(str(id_), PREFIX) == id_


def test_the_name_of_one_in_a_topic_that_was_made_anew_has_its_epoch() -> None:
    id_ = DeadLetterId("clickstream.events", 3, 1041, 2)
    assert str(id_) == "clickstream.events/3@1041~2"
    assert parse_id(str(id_), PREFIX) == id_


@pytest.mark.parametrize("text", ["events", "events/3", "events/x@1", "events/3@-1", ""])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="they look like"):
        parse_id(text, PREFIX)


def test_a_time_can_be_an_age_or_a_moment() -> None:
    assert parse_since("15m", NOW) == NOW - timedelta(minutes=15)
    assert parse_since("7d", NOW) == NOW - timedelta(days=7)
    assert parse_since("2030-01-31T13:00:00+01:00", NOW) == NOW
    assert parse_since("2030-01-31T12:00:00", NOW) == NOW
    with pytest.raises(SetupError, match="--since yesterday"):
        parse_since("yesterday", NOW)


def test_named_dead_letters_are_selected_in_any_state_others_only_while_pending() -> None:
    assert select(PREFIX, ["events/1@2"], [], [], None, None, 0).states == tuple(State)
    assert select(PREFIX, [], ["wrong_key"], [], None, None, 0).states == (State.PENDING,)
    with pytest.raises(SetupError, match="use one of null_value, bad_magic_byte"):
        select(PREFIX, [], ["wrong_kee"], [], None, None, 0)


def test_a_republished_record_is_what_was_posted_on_the_partition_of_its_key() -> None:
    headers = [("trace", b"1"), Attempt(3, 1041, 2).header(), ("trace", None)]
    record = outgoing(dead_letter(headers=headers), 8)
    assert (record.topic, record.key, record.value) == ("clickstream.events", b"s", b"v")
    assert record.partition == partition_of("s", 8)
    assert list(record.headers) == [
        *(("trace", b"1"), ("trace", None)),
        Attempt(3, 1041, 3).header(),
    ]


def test_a_record_without_a_key_goes_where_it_was() -> None:
    assert outgoing(dead_letter(key=None), 8).partition == 5


def test_what_is_not_whole_is_not_republished() -> None:
    assert not_whole(dead_letter()) is None
    assert "--value-file" in (not_whole(dead_letter(cut_bytes=1)) or "")


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


def test_a_dead_letter_is_decoded_as_the_workers_would_now() -> None:
    registry = MemoryRegistry()
    inspector = Inspector(SETTINGS, registry)
    schema_id = registry.register("clickstream.events-value", EVENT.text)
    value = Encoder(EVENT, schema_id).encode(event("s", "e"))

    fixed = inspector.inspect(dead_letter(value))
    assert fixed.error is None
    assert '"event_id": "e"' in (fixed.record or "")

    still = inspector.inspect(dead_letter(value, key=b"other"))
    assert (still.error or "").startswith("wrong_key: ")
    assert inspector.inspect(dead_letter(value[:-1])).record is None

    said = "\n".join(dead_letter_lines(dead_letter(value), fixed, 0))
    assert "\x1b" not in said
    assert "would be stored: republish it" in said
