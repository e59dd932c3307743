"""`Encoders`: an Avro encoder per record, once the registry has said under which id it is known."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Final

from core.errors import ClickstreamError, RegistryUnavailable
from producers.avro import QuickEncoder
from schemas.codec import Encoder
from schemas.contracts import Contract
from schemas.registry import SchemaRegistry
from schemas.topics import Topics

# Between attempts, seconds. Doubled each time up to the second: a registry that starts together
# with us is seen soon, and one that is down for a day is not pestered.
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0

_log = logging.getLogger(__name__)


class Encoders:
    """Registers the contracts in the background. Used on one event loop."""

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[SchemaRegistry]],
        topics: Topics,
        contracts: Sequence[Contract],
    ) -> None:
        self._connect = connect
        self._topics = topics
        self._contracts = contracts
        self._encoders: dict[str, Encoder] = {}
        self._why_not = "the schema registry has not been asked yet"
        self._task: asyncio.Task[None] | None = None

    async def start(self, timeout_seconds: float) -> None:
        """Begin to register in the background. Returns when that is done, or after the timeout."""
        self._task = asyncio.create_task(self._register_all())
        await asyncio.wait([self._task], timeout=timeout_seconds)

    async def stop(self) -> None:
        """Give up. May be called without `start`."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def of(self, contract: Contract) -> Encoder:
        """Raises RegistryUnavailable as long as the registry has not answered."""
        encoder = self._encoders.get(contract.name)
        if encoder is None:
            raise RegistryUnavailable(self._why_not)
        return encoder

    def why_not(self) -> str | None:
        """Why `of` would raise; None when it would not."""
        return None if len(self._encoders) == len(self._contracts) else self._why_not

    async def _register_all(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                ids = await asyncio.to_thread(self._schema_ids)
                break
            except ClickstreamError as error:
                # Unavailable passes by itself. An operator must correct the rest (a schema that
                # clashes, a wrong URL); no restart is needed then.
                if self._why_not != str(error):
                    _log.warning("no schema ids yet: %s", error)
                self._why_not = str(error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._encoders = {
            contract.name: QuickEncoder(contract, schema_id)
            for contract, schema_id in zip(self._contracts, ids, strict=True)
        }

    def _schema_ids(self) -> list[int]:
        with self._connect() as registry:
            return [
                registry.register(self._topics.subject_of(contract), contract.text)
                for contract in self._contracts
            ]
