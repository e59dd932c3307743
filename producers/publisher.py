"""`Publisher`: records → Kafka, acknowledged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from core.consistency.position import Position
from schemas.contracts import Contract

Records = Sequence[Mapping[str, Any]]


class Publisher(Protocol):
    """Where the edge writes. One per process and event loop, shared by all requests."""

    async def start(self) -> None:
        """Connect. A server that is down is no error: `ready` says so, and `publish` raises."""
        ...

    async def stop(self) -> None:
        """Deliver or give up what is under way, within seconds; also after a failed `start`."""
        ...

    async def publish(self, contract: Contract, key: str, records: Records) -> Position:
        """Write the records, at least one, to the contract's topic, all under one key.

        Returns the position of the last record, once all are on every in-sync replica.

        Raises, within the acknowledgement timeout:
        - BrokerUnavailable: any part of the records may be stored, now or later. Publishing
          them again is harmless, because readers take the first record of an id.
        - RecordTooLarge: Kafka takes no record of this size; others may be stored.
        - RegistryUnavailable: nothing was written.
        - ValueError or TypeError, for a record that breaks its schema: nothing was written.
        """
        ...

    async def ready(self) -> Sequence[str]:
        """Why publishing would fail now; empty when it would not. Takes a second at most."""
        ...
