"""The commands on real engines, with a worker's flush in between and no worker process."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from typer.testing import CliRunner

from clickstream.commands.dlq import app
from clickstream.operations.dead_letters.dead_letter import DeadLetterId, Selection, State
from clickstream.operations.dead_letters.store import DeadLetterStore
from core import clickhouse
from core.clock import SystemClock
from core.kafka.partitioner import partition_of
from core.kafka.partitions import Partition
from schemas.codec import Encoder
from schemas.contracts import EVENT, MARK
from schemas.dead_letters import Headers, Reason
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics
from stream_processors.consume.batches import Record
from stream_processors.decode.batch import RejectedRecord
from stream_processors.write.clickhouse import ClickHouseSink
from stream_processors.write.sink import DeadLetter
from tests.clock import ManualClock
from tests.e2e.process_pair import environment_of
from tests.stream_processors.records import event, mark

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.engines


@pytest.fixture
def dlq(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`dlq("list", …)`: what the command prints with --json, and its exit status."""
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, Any]:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result.exit_code, json.loads(result.stdout)

    return run


class Worker:
    """What a worker does with poison."""

    def __init__(self, settings: Settings) -> None:
        self._topics = Topics.from_settings(settings)
        self._sink = ClickHouseSink(settings)

    def fail(
        self,
        offset: int,
        reason: Reason,
        *,
        topic: str = "events",
        partition: int = 0,
        value: bytes | None = b"v",
        headers: Headers = (),
        minutes_ago: int = 0,
        cut_bytes: int = 0,
        epoch: int = 0,
    ) -> str:
        """Returns the dead letter's name."""
        name = {"events": self._topics.events, "marks": self._topics.marks}[topic]
        record = Record(offset, b"s", value, headers)
        poison = RejectedRecord(Partition(name, partition), record, reason, "why", cut_bytes)
        failed_at = SystemClock().now_ms() - minutes_ago * 60_000
        self._sink.write_dead_letters([DeadLetter(poison, failed_at, epoch)])
        return str(DeadLetterId(name, partition, offset, epoch))


def names(listed: Any) -> list[str]:
    return [each["name"] for each in listed["dead_letters"]]


def read_topic(settings: Settings, topic: str) -> list[Any]:
    """Every record of it."""
    consumer = Consumer({**settings.kafka_options(), "group.id": "reader"})
    try:
        places = [TopicPartition(topic, n, 0) for n in range(settings.topics.partitions)]
        count = sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
        consumer.assign(places)
        return [consumer.poll(30) for _ in range(count)]
    finally:
        consumer.close()


def test_they_are_listed_by_reason_topic_age_and_number(settings: Settings, dlq: Any) -> None:
    worker = Worker(settings)
    old = worker.fail(1, Reason.WRONG_KEY, minutes_ago=90)
    new = worker.fail(2, Reason.WRONG_KEY, value=None)
    other = worker.fail(3, Reason.UNDECODABLE, topic="marks", minutes_ago=5)

    status, listed = dlq("list")
    assert (status, names(listed)) == (0, [new, other, old])
    assert listed["counts"] == {"wrong_key": 2, "undecodable": 1}
    assert [each["value_bytes"] for each in listed["dead_letters"]] == [0, 1, 1]
    assert names(dlq("list", "--reason", "wrong_key")[1]) == [new, old]
    assert names(dlq("list", "--topic", "marks")[1]) == [other]
    assert names(dlq("list", "--since", "1h")[1]) == [new, other]
    limited = dlq("list", "--limit", "1")[1]
    assert (names(limited), limited["counts"]) == ([new], listed["counts"])


def test_in_a_topic_that_was_made_anew_another_one_is_at_the_same_offset(
    settings: Settings, dlq: Any
) -> None:
    worker = Worker(settings)
    old = worker.fail(7, Reason.WRONG_KEY, value=b"old", minutes_ago=9)
    new = worker.fail(7, Reason.UNDECODABLE, value=b"newer", epoch=1, minutes_ago=5)
    assert names(dlq("list")[1]) == [new, old]
    shown = [base64.b64decode(dlq("show", name)[1]["value_base64"]) for name in (old, new)]
    assert shown == [b"old", b"newer"]

    # Put back into the new topic, the old one is still itself.
    assert dlq("republish", old)[0] == 0
    (again,) = read_topic(settings, Topics.from_settings(settings).events)
    worker.fail(
        again.offset(),
        Reason.WRONG_KEY,
        partition=again.partition(),
        headers=again.headers(),
        epoch=1,
    )
    attempts = {each["name"]: each["attempt"] for each in dlq("list")[1]["dead_letters"]}
    assert attempts == {old: 2, new: 1}
    assert dlq("purge", old, "--yes")[0] == 0
    assert names(dlq("list")[1]) == [new]


def test_a_dead_letter_that_fails_again_is_the_same_one_with_one_attempt_more(
    settings: Settings, dlq: Any
) -> None:
    worker = Worker(settings)
    name = worker.fail(7, Reason.UNKNOWN_SCHEMA_ID, headers=[("trace", b"\x00\xff")])
    for attempt in (2, 3):
        assert dlq("republish", "--all") == (0, {"republished": [name], "skipped": []})
        assert dlq("list")[1]["dead_letters"] == []
        assert dlq("list", "--state", "republished")[1]["dead_letters"][0]["name"] == name

        again = read_topic(settings, Topics.from_settings(settings).events)[-1]
        assert (again.key(), again.value()) == (b"s", b"v")
        assert again.partition() == partition_of("s", settings.topics.partitions)
        worker.fail(
            again.offset(),
            Reason.UNKNOWN_SCHEMA_ID,
            partition=again.partition(),
            headers=again.headers(),
        )
        (listed,) = dlq("list")[1]["dead_letters"]
        assert (listed["name"], listed["attempt"], listed["state"]) == (name, attempt, "pending")

    shown = dlq("show", name)[1]
    assert (shown["last_offset"], shown["attempt"]) == (again.offset(), 3)
    assert shown["headers"][0] == {"name": "trace", "value_base64": "AP8="}
    assert shown["fails_again"].startswith("bad_magic_byte")


def test_purged_dead_letters_are_gone_until_they_fail_again(settings: Settings, dlq: Any) -> None:
    worker = Worker(settings)
    first, second = (worker.fail(n, Reason.WRONG_KEY) for n in (1, 2))
    kept = worker.fail(3, Reason.OVERSIZE)
    which = ("purge", "--reason", "wrong_key")
    assert dlq(*which, "--dry-run")[1] == {"would_purge": [second, first]}
    assert len(dlq("list")[1]["dead_letters"]) == 3
    assert dlq(*which, "--yes")[1] == {"purged": [second, first]}
    assert names(dlq("list", "--state", "all")[1]) == [kept]
    assert rows(settings) == [(3,)]

    # As a rebuild of the tables from Kafka would bring it back.
    worker.fail(1, Reason.WRONG_KEY)
    assert names(dlq("list", "--state", "all")[1]) == [kept]
    # As one that was republished before it was purged.
    worker.fail(9, Reason.WRONG_KEY, headers=[("clickstream-replay", b"0/1/2/0")])
    assert set(names(dlq("list")[1])) == {kept, first}


def rows(settings: Settings) -> Sequence[Sequence[Any]]:
    with clickhouse.connect(settings) as client:
        return client.query("SELECT offset FROM dead_letters FINAL ORDER BY offset").result_rows


def test_without_a_filter_nothing_is_republished_or_purged(
    settings: Settings, dlq: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Worker(settings).fail(1, Reason.WRONG_KEY)
    for act in ("republish", "purge"):
        result = CliRunner().invoke(app, [act])
        assert result.exit_code == 1
        assert "select dead letters" in str(result.exception)
    assert rows(settings) == [(1,)]


def test_what_is_not_whole_needs_a_value(settings: Settings, dlq: Any, tmp_path: Any) -> None:
    name = Worker(settings).fail(1, Reason.OVERSIZE, cut_bytes=5)
    status, said = dlq("republish", name)
    assert (status, said["republished"], said["skipped"][0]["name"]) == (1, [], name)
    (tmp_path / "value").write_bytes(b"\x00whole")
    status, said = dlq("republish", name, "--value-file", str(tmp_path / "value"), "--key", "other")
    assert (status, said["republished"]) == (0, [name])
    (again,) = read_topic(settings, Topics.from_settings(settings).events)
    assert (again.key(), again.value()) == (b"other", b"\x00whole")
    assert again.partition() == partition_of("other", settings.topics.partitions)


def test_a_mark_does_not_undo_what_was_said_after_it(settings: Settings, dlq: Any) -> None:
    topics = Topics.from_settings(settings)
    with ConfluentRegistry.from_settings(settings) as registry:
        schema_id = registry.register(topics.subject_of(MARK), MARK.text)
    posted = mark("s")
    name = Worker(settings).fail(
        1, Reason.WRONG_PARTITION, topic="marks", value=Encoder(MARK, schema_id).encode(posted)
    )
    assert dlq("republish", name, "--dry-run")[1] == {"would_republish": [name], "skipped": []}
    with clickhouse.connect(settings) as client:
        received = datetime.fromtimestamp(posted["received_at"] / 1000, UTC)
        later = received + timedelta(seconds=1)
        columns = ["session_id", "is_irrelevant", "received_at"]
        client.insert("session_marks", [["s", False, later]], column_names=columns)
    status, said = dlq("republish", name)
    assert (status, said["republished"]) == (1, [])
    assert "newer" in said["skipped"][0]["reason"]
    assert read_topic(settings, topics.marks) == []


def test_a_dry_run_says_what_would_be_stored(settings: Settings, dlq: Any) -> None:
    with ConfluentRegistry.from_settings(settings) as registry:
        schema_id = registry.register(Topics.from_settings(settings).subject_of(EVENT), EVENT.text)
    worker = Worker(settings)
    value = Encoder(EVENT, schema_id).encode(event("s", "e"))
    good = worker.fail(1, Reason.WRONG_PARTITION, value=value)
    bad = worker.fail(2, Reason.UNDECODABLE, value=value[:-1])
    status, said = dlq("republish", "--all", "--dry-run")
    assert (status, said["would_republish"]) == (1, [good])
    assert [each["name"] for each in said["skipped"]] == [bad]
    assert read_topic(settings, Topics.from_settings(settings).events) == []


def test_many_dead_letters_come_in_blocks_and_each_once(settings: Settings) -> None:
    worker = Worker(settings)
    for offset in range(3):
        worker.fail(offset, Reason.WRONG_KEY, value=b"\xff" * 20_000_000)
    with DeadLetterStore(settings, ManualClock()) as store:
        blocks = list(store.dead_letters(Selection(states=(State.PENDING,))))
    assert [len(block) for block in blocks] == [2, 1]
    assert [each.summary.id.offset for block in blocks for each in block] == [0, 1, 2]
    assert all(each.value == b"\xff" * 20_000_000 for block in blocks for each in block)
