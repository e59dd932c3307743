"""Are topics, schemas and tables as this version of the code declares them?"""

from __future__ import annotations

import json
from collections.abc import Sequence

from clickstream.operations.doctor.clickhouse_client import ClickHouseClient
from clickstream.operations.doctor.kafka_client import KafkaClient
from clickstream.operations.doctor.registry_client import RegistryClient
from clickstream.operations.doctor.result import CheckResult, fail, ok, warn
from schemas.compatibility import FULL_TRANSITIVE
from schemas.contracts import ALL, Contract
from schemas.topics import TopicDefinition, Topics, drift

_REGISTER = "run `clickstream schemas register`"


def check_topics(kafka: KafkaClient, declared: Sequence[TopicDefinition]) -> CheckResult:
    """All topics exist, with the declared partition counts and options."""
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
            "a partition count is never changed in place: set CLICKSTREAM_TOPICS__PARTITIONS to "
            "the present count, or choose another CLICKSTREAM_TOPICS__PREFIX",
        )
    differences = [line for topic in declared for line in drift(topic, states[topic.name])]
    if differences:
        return fail("; ".join(differences), "alter the topic on the broker, or the setting")
    first = declared[0]
    return ok(
        f"{len(declared)} topics of {first.partitions} partitions, replication "
        f"{first.replication_factor}, as declared"
    )


def check_schemas(registry: RegistryClient, topics: Topics) -> CheckResult:
    """Each contract is the newest schema of its subject, and the level is FULL_TRANSITIVE."""
    ids: list[str] = []
    for contract in ALL:
        subject = topics.subject_of(contract)
        registered = registry.latest(subject)
        if registered is None:
            return fail(f"{subject} is not registered", _REGISTER)
        if not _same(registered.text, contract):
            return fail(
                f"{subject} version {registered.version} is not ours",
                f"{_REGISTER}; if it stays, a newer release has registered its own: upgrade this",
            )
        level = registry.compatibility(subject)
        if level != FULL_TRANSITIVE:
            return fail(f"{subject} is checked for {level} only", _REGISTER)
        ids.append(f"{contract.name} {registered.schema_id}")
    return ok(f"registered, {FULL_TRANSITIVE}; ids: {', '.join(ids)}")


def check_tables(clickhouse: ClickHouseClient) -> CheckResult:
    """The live ClickHouse schema equals the declared one."""
    differences = clickhouse.drift()
    if differences:
        return fail("; ".join(differences), "run `clickstream migrate`")
    return ok("tables and views as declared")


# Seconds. Quorum inserts keep replicas equal; what is behind for longer has stopped.
_MOST_DELAY_SECONDS = 60


def check_nodes(clickhouse: ClickHouseClient) -> CheckResult:
    """Every node of the cluster answers, can be written, and is not behind its shard."""
    count, nodes = clickhouse.nodes()
    if len(nodes) < count:
        here = ", ".join(node.name for node in nodes)
        return fail(
            f"{count - len(nodes)} of {count} nodes do not answer, or have no table (here: {here})",
            "start them; a node that is new needs `clickstream migrate`. A shard without a"
            " majority of its replicas takes no writes",
        )
    readonly = [node.name for node in nodes if node.readonly]
    if readonly:
        return fail(
            f"tables are read-only on {', '.join(readonly)}",
            "look at the connection of these nodes to Keeper or ZooKeeper",
        )
    behind = [node for node in nodes if node.delay_seconds > _MOST_DELAY_SECONDS]
    if behind:
        worst = "; ".join(
            f"{n.name} {n.delay_seconds} s, {n.queue} operations queued" for n in behind
        )
        return warn(
            f"behind their shard: {worst}", "look at system.replication_queue of these nodes"
        )
    return ok(f"{count} nodes answer, none is read-only or behind")


def _same(text: str, contract: Contract) -> bool:
    """Whether the texts are equal as JSON: a registry may format its text in another way."""
    return bool(json.loads(text) == json.loads(contract.text))
