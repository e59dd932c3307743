"""`RequestPolicies`: what every request of a process passes, on either lane, and what it shares."""

from __future__ import annotations

from dataclasses import dataclass

from core.clock import Clock
from core.http.access import Access
from core.http.admission import InFlightLimit
from core.http.cors import Cors
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class RequestPolicies:
    """Who may enter, which pages may read the answers, and when the house is full."""

    access: Access
    cors: Cors
    in_flight: InFlightLimit

    @classmethod
    def from_settings(cls, settings: Settings, clock: Clock | None = None) -> RequestPolicies:
        """Raises SetupError for a key or an origin that cannot be understood."""
        access = Access.from_settings(settings, clock)
        return cls(
            access,
            Cors.from_settings(settings, access.keys),
            InFlightLimit.from_settings(settings.http),
        )
