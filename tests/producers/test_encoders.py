from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RegistryUnavailable, SchemaIncompatible, SinkUnavailable
from core.settings import Settings
from producers.encoders import Encoders
from schemas.codec import schema_id_of
from schemas.contracts import EVENT, SESSION
from schemas.registry import SchemaRegistry
from schemas.topics import Topics
from tests.schemas.memory_registry import MemoryRegistry

TOPICS = Topics.from_settings(Settings(_env_file=None))
RECORD = {
    **{"session_id": "s", "event_id": "e", "object_id": "o", "event_type": "click"},
    **{"created_at": 1, "meta": None, "received_at": 1},
}


Connected = Callable[[], AbstractContextManager[SchemaRegistry]]


def down() -> AbstractContextManager[SchemaRegistry]:
    raise RegistryUnavailable("nobody listens there")


def encoders(connect: Connected) -> Encoders:
    return Encoders(connect, TOPICS, (SESSION, EVENT))


def test_records_carry_the_id_that_the_registry_gave() -> None:
    registry = MemoryRegistry()
    registry.register("another-value", SESSION.text)  # so that the two ids differ from their order

    async def run() -> None:
        found = encoders(lambda: nullcontext(registry))
        await found.start(30)
        assert found.reasons() == []
        value = found.of(EVENT).encode(RECORD)
        assert registry.schema(schema_id_of(value)) == EVENT.text
        await found.stop()

    asyncio.run(run())


def test_a_registry_that_is_down_is_asked_again_until_it_answers() -> None:
    answers: list[Connected] = [down, down, lambda: nullcontext(MemoryRegistry())]

    def ask() -> AbstractContextManager[SchemaRegistry]:
        return answers.pop(0)()

    async def run() -> None:
        found = encoders(ask)
        await found.start(30)
        assert found.of(EVENT)
        await found.stop()

    asyncio.run(run())
    assert not answers


def test_the_reason_names_what_the_registry_said() -> None:
    async def run() -> None:
        found = encoders(down)
        await found.start(0.2)
        assert found.reasons() == ["nobody listens there"]
        with pytest.raises(RegistryUnavailable, match="nobody listens there"):
            found.of(SESSION)
        await found.stop()

    asyncio.run(run())


def test_stopping_needs_no_start() -> None:
    asyncio.run(encoders(down).stop())


FAULTS = [
    RegistryUnavailable("down"),
    SchemaIncompatible("it clashes"),
    SinkUnavailable("odd"),
    json.JSONDecodeError("Expecting value", "", 0),
    *(kind("odd") for kind in (AttributeError, TypeError, LookupError, OSError, RuntimeError)),
]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(FAULTS), max_size=2), st.booleans())
def test_registration_survives_whatever_the_registry_client_raises(
    faults: list[Exception], in_connect: bool
) -> None:
    left = list(faults)

    class Odd(MemoryRegistry):
        def register(self, subject: str, schema: str) -> int:
            if left and not in_connect:
                raise left.pop()
            return super().register(subject, schema)

    registry = Odd()

    def connect() -> AbstractContextManager[SchemaRegistry]:
        if left and in_connect:
            raise left.pop()
        return nullcontext(registry)

    async def run() -> None:
        found = Encoders(connect, TOPICS, (SESSION, EVENT), first_pause=0.0)
        await found.start(30)
        assert found.reasons() == []
        assert found.of(SESSION)
        assert found.of(EVENT)
        await found.stop()

    asyncio.run(run())


def test_a_schema_that_clashes_refuses_the_records_of_its_topic_alone() -> None:
    class Clashing(MemoryRegistry):
        def register(self, subject: str, schema: str) -> int:
            if subject == TOPICS.subject_of(SESSION):
                raise SchemaIncompatible("sessions clash")
            return super().register(subject, schema)

    async def run() -> None:
        found = encoders(lambda: nullcontext(Clashing()))
        await found.start(0.5)
        assert found.of(EVENT)
        with pytest.raises(RegistryUnavailable, match="sessions clash"):
            found.of(SESSION)
        assert found.reasons() == ["sessions clash"]
        await found.stop()

    asyncio.run(run())


def test_a_fault_of_ours_is_logged_once_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def connect() -> AbstractContextManager[SchemaRegistry]:
        raise TypeError("odd")

    async def run() -> None:
        found = encoders(connect)
        with caplog.at_level(logging.WARNING):
            await found.start(1.0)
        assert found.reasons() == ["registering a schema fails (TypeError): the log says more"]
        await found.stop()

    asyncio.run(run())
    lines = [line for line in caplog.records if "no schema id" in line.message]
    assert len(lines) == 2  # one for each schema
    assert all(line.exc_info for line in lines)


def test_a_registry_that_answers_nothing_is_the_reason_of_all_records() -> None:
    class Silent(MemoryRegistry):
        def register(self, _subject: str, _schema: str) -> int:
            raise RegistryUnavailable("it is silent")

    async def run() -> None:
        found = encoders(lambda: nullcontext(Silent()))
        await found.start(0.1)
        assert found.reasons() == ["it is silent"]
        await found.stop()

    asyncio.run(run())
