from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest

from core.errors import RegistryUnavailable
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
        assert found.why_not() is None
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
        assert found.why_not() == "nobody listens there"
        with pytest.raises(RegistryUnavailable, match="nobody listens there"):
            found.of(SESSION)
        await found.stop()

    asyncio.run(run())


def test_stopping_needs_no_start() -> None:
    asyncio.run(encoders(down).stop())
