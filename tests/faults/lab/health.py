"""What processes say of themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from clickstream.local.processes.service import Service

_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Health:
    """`/livez` and `/readyz`; `said` is the latter's body, with the reasons."""

    is_alive: bool
    is_ready: bool
    said: str

    @property
    def waits(self) -> bool:
        """Neither to be sent traffic nor to be restarted."""
        return self.is_alive and not self.is_ready


def health_of(service: Service) -> Health:
    """Asked now."""
    alive, ready = (httpx.get(f"{service.url}/{probe}", timeout=5) for probe in ("livez", "readyz"))
    return Health(alive.is_success, ready.is_success, ready.text)


def until(condition: Callable[[], bool], within_seconds: float) -> None:
    """Return once it holds; AssertionError when that takes too long."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(_LOOK_SECONDS)
