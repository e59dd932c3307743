from __future__ import annotations

import pytest

from clickstream.operations.provision import prepare, register_contracts
from core.errors import SchemaIncompatible
from core.settings import Settings, TopicSettings
from schemas.contracts import ALL, SESSION
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics
from tests.schemas.memory_registry import MemoryRegistry
from tests.schemas.test_compatibility import BAD, changed

TOPICS = Topics.from_settings(Settings(_env_file=None, topics=TopicSettings(prefix="t.")))


def test_each_subject_gets_its_newest_version() -> None:
    registry = MemoryRegistry()
    ids = register_contracts(registry, TOPICS)
    assert ids.keys() == {TOPICS.subject_of(contract) for contract in ALL}
    for contract in ALL:
        assert registry.schema(ids[TOPICS.subject_of(contract)]) == contract.text


def test_registering_twice_changes_nothing() -> None:
    registry = MemoryRegistry()
    assert register_contracts(registry, TOPICS) == register_contracts(registry, TOPICS)


def test_a_subject_that_holds_something_else_is_refused() -> None:
    registry = MemoryRegistry()
    registry.register(TOPICS.subject_of(SESSION), '"string"')
    with pytest.raises(SchemaIncompatible):
        register_contracts(registry, TOPICS)


@pytest.mark.engines
def test_prepare_again_finds_everything_there(settings: Settings) -> None:
    first, second = prepare(settings), prepare(settings)
    assert first == second
    assert (second.schema_files, second.topics, second.topic_drift) == ((), (), ())
    assert len(second.schema_ids) == len(ALL)


# A registry's usual level, BACKWARD, would let this pass: new readers can read the old records.
WITHOUT_QUERY = changed(BAD["remove a field without default"][0])


def test_future_versions_are_held_to_full_transitive() -> None:
    registry = MemoryRegistry()
    register_contracts(registry, TOPICS)
    assert registry.is_compatible(TOPICS.subject_of(SESSION), SESSION.text)
    assert not registry.is_compatible(TOPICS.subject_of(SESSION), WITHOUT_QUERY)


@pytest.mark.engines
def test_the_real_registry_holds_future_versions_to_full_transitive(settings: Settings) -> None:
    subject = Topics.from_settings(settings).subject_of(SESSION)
    with ConfluentRegistry.from_settings(settings) as registry:
        assert registry.is_compatible(subject, SESSION.text)
        assert not registry.is_compatible(subject, WITHOUT_QUERY)
