from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from core.consistency.position import POSITION_HEADER, parse_positions
from core.errors import BrokerUnavailable, SinkBehind, SinkUnavailable, Unavailable
from core.settings import HttpSettings, ReadSettings, Settings
from schemas.contracts import MARK
from tests.producers.write_side import WriteSide, write_side

PATH = "/session/irrelevant"


@pytest.fixture
def side() -> Iterator[WriteSide]:
    with write_side(Settings(_env_file=None)) as side:
        side.sessions.stored.add("s-1")
        yield side


def test_mark_is_answered_once_it_is_visible(side: WriteSide) -> None:
    answer = side.client.post(PATH, json={"session_id": "s-1"})
    assert answer.status_code == 200
    assert answer.json() == {"session_id": "s-1", "is_irrelevant": True}
    (entry,) = side.publisher.log
    assert entry.record == {
        **{"session_id": "s-1", "is_irrelevant": True, "marked_by": None},
        "received_at": side.clock.now_ms(),
    }
    assert side.reader.waited == [entry.position]
    assert parse_positions(answer.headers[POSITION_HEADER]) == (entry.position,)


def test_unknown_session_is_a_404_and_writes_nothing(side: WriteSide) -> None:
    answer = side.client.post(PATH, json={"session_id": "nobody"})
    assert answer.status_code == 404
    assert "nobody" in answer.json()["detail"]
    assert not side.publisher.log


def test_a_mark_can_be_taken_back(side: WriteSide) -> None:
    answer = side.client.post(PATH, json={"session_id": "s-1", "irrelevant": False})
    assert answer.json() == {"session_id": "s-1", "is_irrelevant": False}
    assert [one["is_irrelevant"] for one in side.written(MARK)] == [False]


def test_marking_again_is_as_good_as_once(side: WriteSide) -> None:
    answers = [side.client.post(PATH, json={"session_id": "s-1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize("doubt", [SinkBehind("late"), SinkUnavailable("down")])
def test_doubt_about_the_session_is_a_503_and_writes_nothing(
    side: WriteSide, doubt: Unavailable
) -> None:
    side.reader.doubt_of_absence = doubt
    answer = side.client.post(PATH, json={"session_id": "nobody"})
    assert (answer.status_code, answer.headers["retry-after"] in "12") == (503, True)
    assert not side.publisher.log


def test_a_mark_that_is_not_visible_in_time_is_a_503(side: WriteSide) -> None:
    side.reader.doubt_of_visibility = SinkBehind("late")
    assert side.client.post(PATH, json={"session_id": "s-1"}).status_code == 503


def test_a_mark_that_kafka_does_not_acknowledge_is_a_503(side: WriteSide) -> None:
    side.publisher.failing = BrokerUnavailable("down")
    assert side.client.post(PATH, json={"session_id": "s-1"}).status_code == 503
    assert not side.reader.waited


@pytest.mark.parametrize("slow", ["find", "publish", "wait"])
def test_all_waits_of_a_mark_have_one_deadline(slow: str) -> None:
    settings = Settings(
        _env_file=None,
        http=HttpSettings(ack_timeout_seconds=2),
        reads=ReadSettings(wait_seconds=0.1),
    )

    async def hang(*_: object) -> None:
        await asyncio.sleep(60)

    with write_side(settings) as side:
        side.sessions.stored.add("s-1")
        if slow == "find":
            side.sessions.find = hang  # type: ignore[method-assign, assignment]
        elif slow == "publish":
            side.publisher.publish = hang  # type: ignore[method-assign, assignment]
        else:
            side.reader.wait_for = hang  # type: ignore[method-assign]
        answer = side.client.post(PATH, json={"session_id": "s-1"})
        assert (answer.status_code, "after 2.1 s" in answer.json()["detail"]) == (503, True)


def test_the_key_that_asked_is_on_record_by_name_alone() -> None:
    key = "a-secret-write-key"
    with write_side(Settings(_env_file=None, write_keys=(SecretStr(key),))) as side:
        side.sessions.stored.add("s-1")
        answer = side.client.post(PATH, json={"session_id": "s-1"}, headers={"x-api-key": key})
        assert answer.status_code == 200
        (mark,) = side.written(MARK)
    assert mark["marked_by"].startswith("key-")
    assert key not in mark["marked_by"]
