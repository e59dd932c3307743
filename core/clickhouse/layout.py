"""Where the tables are: in one database of one server, or on the shards of a cluster.

On a cluster every node has two databases. `<db>_shard` has the tables themselves and the views of
single sessions. `<db>` has a Distributed table for each of these, the views that compare sessions,
and the small tables that are the same on all nodes.

Reads and inserts name `<db>`, on one server and on a cluster alike. What a Distributed table cannot
do, deletions above all, runs in `<db>_shard` on every node. On one server both are one database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.server_urls import clickhouse_address
from core.settings import Settings

_SHARD_SUFFIX: Final = "_shard"

# What a query of operations reads from.
_SOURCE: Final = re.compile(r"\bFROM (\{database:Identifier\}\.[\w{}:]+)")

# After this a statement for every node has its ON CLUSTER.
_TARGET: Final = re.compile(
    r"\s*(?:(?:DELETE FROM|(?:ALTER|TRUNCATE) TABLE) \S+|KILL MUTATION"
    r"|SYSTEM (?:(?:START|STOP) MERGES|SYNC REPLICA))"
)

_ON_A_CLUSTER: Final[Mapping[str, Any]] = {
    # An insert has returned when every shard has its rows, and a majority of the shard's replicas.
    "distributed_foreground_insert": 1,
    "insert_quorum": "auto",
    # Milliseconds, less than a client waits: an insert that is not there by then is repeated.
    "insert_quorum_timeout": 20_000,
    # A session is on one shard, so `IN (SELECT … )` of another table need not leave the shard.
    "distributed_product_mode": "local",
    # A question for sessions that it names goes to their shards alone.
    "optimize_skip_unused_shards": 1,
    # A statement for every node fails when one does, and does not wait for one that is away: that
    # one finds the statement in the queue when it comes back. Each node waits for its own deletion.
    "distributed_ddl_output_mode": "none_only_active",
    "lightweight_deletes_sync": 1,
    # A deletion may read other tables of its shard. Replicas that come to different rows are made
    # equal: the parts of a replica must have the checksums of the first.
    "allow_nondeterministic_mutations": 1,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """`database` is what reads and inserts name. `cluster` is empty on one server."""

    database: str
    cluster: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Layout:
        """That of the settings' server or cluster."""
        url = settings.clickhouse_url.get_secret_value()
        return cls(clickhouse_address(url).database, settings.clickhouse_cluster)

    @property
    def shard_database(self) -> str:
        """The database of the tables themselves."""
        return self.database + _SHARD_SUFFIX if self.cluster else self.database

    @property
    def databases(self) -> tuple[str, ...]:
        """All of it: the one of the tables themselves is the last."""
        return tuple(dict.fromkeys((self.database, self.shard_database)))

    @property
    def on_cluster(self) -> str:
        """What stands after a name for a statement to run on every node. Empty on one server."""
        return f" ON CLUSTER '{self.cluster}'" if self.cluster else ""

    def on_every_node(self, statement: str) -> str:
        """A DELETE, ALTER, TRUNCATE, KILL MUTATION, or SYSTEM with merges or a replica → the same
        for every node. Raises ValueError for other statements."""
        target = _TARGET.match(statement)
        if target is None:
            raise ValueError(f"this cannot run on every node: {statement.strip()[:60]}")
        return f"{target[0]}{self.on_cluster}{statement[target.end() :]}"

    def from_all_replicas(self, query: str) -> str:
        """A query `FROM {database:Identifier}.…` → the same of every replica, so that a row is
        found as often as there are copies of it. Fails when a node is away."""
        if not self.cluster:
            return query
        return _SOURCE.sub(rf"FROM clusterAllReplicas('{self.cluster}', \1)", query)

    @property
    def client_settings(self) -> Mapping[str, Any]:
        """The settings that every client of ours needs there."""
        return _ON_A_CLUSTER if self.cluster else {}

    def all_nodes(self, table: str) -> str:
        """A table of every node to select from, such as `system.tables`: on one server, itself.

        Fails when a node is away, unless the query sets skip_unavailable_shards.
        """
        if not self.cluster:
            return table
        return f"clusterAllReplicas('{self.cluster}', {table})"
