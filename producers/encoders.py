"""`Encoders`: an Avro encoder per record, once the registry has said under which id it is known."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Final

from core.errors import ClickstreamError, RegistryUnavailable, Unavailable
from core.log_throttle import Throttle
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
    """Registers the contracts in the background, each by itself: one that the registry refuses
    does not refuse the records of the others. Used on one event loop."""

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[SchemaRegistry]],
        topics: Topics,
        contracts: Sequence[Contract],
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self._first_pause = first_pause
        self._connect = connect
        self._topics = topics
        self._encoders: dict[str, Encoder] = {}
        # By name: the contracts without an id, and why they have none.
        self._missing = {contract.name: contract for contract in contracts}
        self._not_asked = RegistryUnavailable("the schema registry has not been asked yet")
        self._errors: dict[str, Exception] = dict.fromkeys(self._missing, self._not_asked)
        self._throttle = Throttle()
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
        """Raises RegistryUnavailable as long as the registry has given no id to this contract."""
        encoder = self._encoders.get(contract.name)
        if encoder is None:
            error = self._errors[contract.name]
            raise RegistryUnavailable(str(error), public=_public(error))
        return encoder

    def reasons(self) -> list[str]:
        """Why `of` would raise, for callers; empty when it would not."""
        return list(dict.fromkeys(_public(error) for error in self._errors.values()))

    async def _register_all(self) -> None:
        """Returns when every contract has its id, and never raises."""
        pause = self._first_pause
        while True:
            try:
                found = await asyncio.to_thread(self._ask, list(self._missing.values()))
            except Exception as error:
                found = dict.fromkeys(self._missing, error)
            for name, answer in found.items():
                if not isinstance(answer, Exception):
                    self._encoders[name] = answer
                    del self._missing[name], self._errors[name]
                    continue
                self._log(name, answer)
                # The others are asked for first next time; until then the reason is theirs too.
                self._missing[name] = self._missing.pop(name)
                for other in self._missing:
                    if other == name or self._errors[other] is self._not_asked:
                        self._errors[other] = answer
            if not self._missing:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _ask(self, contracts: Sequence[Contract]) -> Mapping[str, Encoder | Exception]:
        found: dict[str, Encoder | Exception] = {}
        with self._connect() as registry:
            for contract in contracts:
                try:
                    subject = self._topics.subject_of(contract)
                    schema_id = registry.register(subject, contract.text)
                    found[contract.name] = QuickEncoder(contract, schema_id)
                except Exception as error:
                    found[contract.name] = error
                    if isinstance(error, Unavailable):
                        break  # the others would wait as long for the same
        return found

    def _log(self, name: str, error: Exception) -> None:
        """Unavailable passes by itself. An operator must correct the rest (a schema that clashes,
        a wrong URL), or we must; no restart is needed then."""
        is_due = self._throttle.allows(name)
        if is_due or str(self._errors[name]) != str(error):
            is_fault = not isinstance(error, ClickstreamError)
            _log.warning("no schema id for %s yet: %s", name, error, exc_info=is_fault and error)


def _public(error: Exception) -> str:
    if isinstance(error, Unavailable):
        return error.public
    if isinstance(error, ClickstreamError):
        return str(error)
    return f"registering a schema fails ({type(error).__name__}): the log says more"
