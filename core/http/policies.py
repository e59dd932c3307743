"""`RequestPolicies`: access, CORS, local requests and the in-flight limit, one of each for a
process."""

from __future__ import annotations

from dataclasses import dataclass

from core.clock import Clock
from core.http.access import Access
from core.http.admission import InFlightLimit
from core.http.cors import Cors
from core.http.local_requests import LocalRequests
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class RequestPolicies:
    """The authentication, CORS and concurrency limits that both protocols apply to each request."""

    access: Access
    cors: Cors
    in_flight: InFlightLimit
    local: LocalRequests | None
    """None where there are keys: then they decide."""

    @classmethod
    def from_settings(cls, settings: Settings, clock: Clock | None = None) -> RequestPolicies:
        """Raises SetupError for a key or an origin that cannot be understood."""
        access = Access.from_settings(settings, clock)
        return cls(
            access,
            Cors.from_settings(settings, access.keys),
            InFlightLimit.from_settings(settings.http),
            LocalRequests(settings.http.cors_origins) if access.is_open else None,
        )
