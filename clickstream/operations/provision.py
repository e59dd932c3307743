"""Everything that must be there before a process can run: tables, topics, schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.settings import Settings
from schemas.compatibility import FULL_TRANSITIVE
from schemas.contracts import VERSIONS
from schemas.migrate import migrate
from schemas.registry import ConfluentRegistry, SchemaRegistry
from schemas.topic_admin import create_topics
from schemas.topics import Topics


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was done, and what differs from the declaration and was left alone."""

    schema_files: tuple[str, ...]
    """Paths below schemas/ of what was applied to ClickHouse."""

    topics: tuple[str, ...]
    topic_drift: tuple[str, ...]
    schema_ids: Mapping[str, int]
    """Subject → id of the version that this code writes."""


def prepare(settings: Settings) -> Prepared:
    """Migrate ClickHouse, create the topics, register the schemas.

    Idempotent, and safe to do from several processes at once. Raises SinkUnavailable,
    BrokerUnavailable or RegistryUnavailable for the server that does not answer, SetupError for
    what contradicts the settings.
    """
    schema_files = migrate(settings)
    topics = create_topics(settings)
    with ConfluentRegistry.from_settings(settings) as registry:
        schema_ids = register_contracts(registry, Topics.from_settings(settings))
    return Prepared(tuple(schema_files), topics.created, topics.drift, schema_ids)


def register_contracts(registry: SchemaRegistry, topics: Topics) -> dict[str, int]:
    """Register every version of every record, oldest first, each subject held to FULL_TRANSITIVE.

    Returns the id of the newest version by subject. Idempotent. Raises SchemaIncompatible when a
    subject already has versions that ours cannot live with.
    """
    ids = {}
    for versions in VERSIONS.values():
        subject = topics.subject_of(versions[-1])
        registry.set_compatibility(subject, FULL_TRANSITIVE)
        for contract in versions:
            ids[subject] = registry.register(subject, contract.text)
    return ids
