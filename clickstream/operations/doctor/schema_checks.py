"""Is what the servers hold what this version of the code declares? Topics, schemas, tables."""

from __future__ import annotations

import json
from collections.abc import Sequence

from clickstream.operations.doctor.clients import ClickHouseView, KafkaView, RegistryView
from clickstream.operations.doctor.result import Verdict, fail, ok
from schemas.compatibility import FULL_TRANSITIVE
from schemas.contracts import ALL, Contract
from schemas.topics import TopicDefinition, Topics, drift

REGISTER = "run `clickstream schemas register`"


def check_topics(kafka: KafkaView, declared: Sequence[TopicDefinition]) -> Verdict:
    """All there, equal partition counts, configured as declared."""
    states = kafka.topics()
    missing = [topic.name for topic in declared if topic.name not in states]
    if missing:
        return fail(f"missing: {', '.join(missing)}", "run `clickstream topics create`")
    wrong_counts = [
        f"{topic.name} has {states[topic.name].partitions} partitions, declared {topic.partitions}"
        for topic in declared
        if states[topic.name].partitions != topic.partitions
    ]
    if wrong_counts:
        return fail(
            "; ".join(wrong_counts),
            "a count is never changed in place: set CLICKSTREAM_TOPICS__PARTITIONS to what is "
            "there, or take another CLICKSTREAM_TOPICS__PREFIX",
        )
    differences = [line for topic in declared for line in drift(topic, states[topic.name])]
    if differences:
        return fail("; ".join(differences), "alter the topic on the broker, or the setting")
    first = declared[0]
    return ok(
        f"{len(declared)} topics of {first.partitions} partitions, replication "
        f"{first.replication_factor}, as declared"
    )


def check_schemas(registry: RegistryView, topics: Topics) -> Verdict:
    """Each contract is the newest schema of its subject, under FULL_TRANSITIVE."""
    ids: list[str] = []
    for contract in ALL:
        subject = topics.subject_of(contract)
        registered = registry.latest(subject)
        if registered is None:
            return fail(f"{subject} is not registered", REGISTER)
        if not _same(registered.text, contract):
            return fail(
                f"{subject} version {registered.version} is not ours",
                f"{REGISTER}; if it stays, a newer release has registered its own: upgrade this",
            )
        level = registry.compatibility(subject)
        if level != FULL_TRANSITIVE:
            return fail(
                f"{subject} is checked for {level} only", "run `clickstream schemas register`"
            )
        ids.append(f"{contract.name} {registered.schema_id}")
    return ok(f"registered, {FULL_TRANSITIVE}; ids: {', '.join(ids)}")


def check_tables(clickhouse: ClickHouseView) -> Verdict:
    """The live ClickHouse schema equals the declared one."""
    differences = clickhouse.drift()
    if differences:
        return fail("; ".join(differences), "run `clickstream migrate`")
    return ok("tables and views as declared")


def _same(text: str, contract: Contract) -> bool:
    """Equal as JSON: a registry may lay the text out anew."""
    return bool(json.loads(text) == json.loads(contract.text))
