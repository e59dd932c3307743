"""Which pages of other origins may read our responses (CORS, https://fetch.spec.whatwg.org).

Off unless origins are configured or named by keys. Keys are sent by the page's own code, never by
the browser on its own: so there are no credentials in the sense of CORS, and `*` does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from core.consistency.position import POSITION_HEADER
from core.errors import Forbidden, SetupError
from core.http.keys import Key, checked_origin
from core.http.raw_response import Header, RawResponse
from core.settings import Settings

ANY: Final = "*"
# A browser asks again after this, seconds.
_MAX_AGE: Final = "600"

_VARY: Final = (b"vary", b"Origin")
_EXPOSED: Final = (
    b"access-control-expose-headers",
    f"{POSITION_HEADER}, X-Request-ID, Retry-After, RateLimit-Limit, RateLimit-Remaining,"
    " RateLimit-Reset".encode(),
)
_PREFLIGHT: Final = {
    "access-control-allow-methods": "GET, POST, DELETE",
    # Tracing libraries in pages send the last three: not allowed, every click would be blocked.
    "access-control-allow-headers": "Authorization, Content-Type, Content-Encoding, X-API-Key,"
    f" {POSITION_HEADER}, X-Request-ID, traceparent, tracestate",
    "access-control-max-age": _MAX_AGE,
    "vary": "Access-Control-Request-Method, Access-Control-Request-Headers",
}


class Cors:
    """Makes the CORS headers of responses; falsy when CORS is off."""

    def __init__(self, origins: Iterable[str]) -> None:
        found = frozenset(origins)
        self._is_any = ANY in found
        self._allowed = {
            origin.encode(): ((b"access-control-allow-origin", origin.encode()), _EXPOSED, _VARY)
            for origin in found
        }
        self._for_any = ((b"access-control-allow-origin", b"*"), _EXPOSED, _VARY)

    @classmethod
    def from_settings(cls, settings: Settings, keys: Iterable[Key]) -> Cors:
        """Raises SetupError for what no browser sends as an origin."""
        configured = settings.http.cors_origins
        try:
            named = {origin if origin == ANY else checked_origin(origin) for origin in configured}
        except ValueError as error:
            raise SetupError(f"CLICKSTREAM_HTTP__CORS_ORIGINS: {error}") from None
        return cls(named.union(*(key.origins for key in keys)))

    def __bool__(self) -> bool:
        return bool(self._allowed)

    def headers(self, origin: bytes | None) -> tuple[Header, ...]:
        """What to add to a response, also to a refusal, for a request with this `Origin`."""
        if not self._allowed:
            return ()
        if origin is None:
            return (_VARY,)
        if self._is_any:
            return self._for_any
        return self._allowed.get(origin, (_VARY,))

    def preflight(self, headers: Mapping[bytes, bytes]) -> RawResponse:
        """The response to a preflight, before `headers` are added. Raises Forbidden for an origin
        that is not allowed."""
        origin = headers.get(b"origin", b"")
        if not self._is_any and origin not in self._allowed:
            raise Forbidden(
                "pages of this origin may not read responses: CLICKSTREAM_HTTP__CORS_ORIGINS"
            )
        pairs = [(name.encode(), value.encode()) for name, value in _PREFLIGHT.items()]
        return RawResponse(204, tuple(pairs), b"")


def is_preflight(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether this is a browser's question before a page's request."""
    return (
        method == "OPTIONS"
        and b"origin" in headers
        and (b"access-control-request-method" in headers)
    )
