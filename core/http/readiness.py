"""`Readiness`: whether a process can do its work now, asked at most once a second.

The question needs no key, so that load balancers can ask it: however often it comes, the servers
behind a component are asked once, and everybody gets that answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic
from typing import Final

from core.http.component import Component
from core.log_throttle import Throttle

ALL: Final = "all"
_WRITE: Final = "write"

# An orchestrator's probe commonly gives up after one to three seconds; ours must have spoken.
_ANSWER_SECONDS: Final = 2.0
_CACHE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Readiness:
    """Of all components of a process. Used on one event loop."""

    def __init__(self, components: Sequence[Component]) -> None:
        self._components = {component.name: _Cached(component) for component in components}
        self._is_stopping = False

    def stop(self) -> None:
        """From now on the process is not ready: it is about to end."""
        self._is_stopping = True

    async def reasons(self, wanted: str | None) -> list[str]:
        """Why the process cannot do its work, one sentence each; empty when it can.

        `wanted` is the name of a component, or `all`. None asks for what a load balancer in front
        of the process has to know: for the write side alone where there is one, because a process
        that also reads must go on taking writes while ClickHouse is away; else for all.
        """
        if self._is_stopping:
            return ["this process is shutting down: ask another one"]
        if wanted is None:
            wanted = _WRITE if _WRITE in self._components else ALL
        if wanted != ALL and wanted not in self._components:
            return [f"{wanted}: this process does not serve it"]
        names = list(self._components) if wanted == ALL else [wanted]
        each = await asyncio.gather(*(self._components[name].reasons() for name in names))
        return [f"{name}: {why}" for name, found in zip(names, each, strict=True) for why in found]


class _Cached:
    """The answer of one component: everyone who asks within a second shares it."""

    def __init__(self, component: Component) -> None:
        self._component = component
        self._asked_at = 0.0
        self._answer: asyncio.Task[Sequence[str]] | None = None
        self._throttle = Throttle()

    async def reasons(self) -> Sequence[str]:
        now = monotonic()
        is_over = self._answer is not None and self._answer.done()
        if self._answer is None or (is_over and now - self._asked_at >= _CACHE_SECONDS):
            self._asked_at = now
            self._answer = asyncio.create_task(self._ask())
        # Shielded, because the question belongs to others too when this caller hangs up.
        return await asyncio.shield(self._answer)

    async def _ask(self) -> Sequence[str]:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._component.ready()
        except TimeoutError:
            return [f"no answer within {_ANSWER_SECONDS:g} s"]
        except Exception as error:
            if self._throttle.allows("ready"):
                _log.exception("readiness of %s cannot be told", self._component.name)
            return [f"the check failed ({type(error).__name__}): the log says more"]
