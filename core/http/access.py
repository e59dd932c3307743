"""The check in front of every route: whose key it is, which right it has and at what rate it asks.

A key comes as `Authorization: Bearer <key>` or as `X-API-Key: <key>`; a page's own, when it posts,
also as `?key=<key>`, because a browser's beacon has no headers of its own. Admin keys may do
everything. Without any key in the settings everything is open, and the server listens on loopback
only (`core.http.server` sees to that). As soon as there is one key of any kind, a right that has no
key of its own is left to the admin keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote_to_bytes

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.requests import Request
from starlette.types import Scope

from core.clock import Clock, SystemClock
from core.errors import Forbidden, Unauthorized
from core.http.client_address import ClientAddresses
from core.http.headers import by_name
from core.http.keys import Key, Right, digest_of, keys_of, moment
from core.http.paths import right_to_post
from core.http.rate_limiter import RateLimiter
from core.http.raw_response import Header
from core.http.scope_keys import ADDED_HEADERS, CALLER, SEES_POSITIONS
from core.settings import Settings

__all__ = ["Access", "Key", "Right"]

_DEEDS = {
    Right.SESSIONS: "post sessions",
    Right.EVENTS: "post events",
    Right.MARKS: "mark sessions",
    Right.WRITE: "write",
    Right.READ: "read",
    Right.ADMIN: "do that",
}
_BEACONS = frozenset({Right.SESSIONS, Right.EVENTS})
_KEY_PARAMETER = re.compile(rb"(?:^|&)key=([^&]*)")
_NEEDED = {"GET": Right.READ, "HEAD": Right.READ, "DELETE": Right.ADMIN}

# Nothing is checked here (auto_error=False): they put the two headers into the OpenAPI document.
_BEARER = Security(HTTPBearer(auto_error=False, description="a write, read or admin key"))
_HEADER = Security(APIKeyHeader(name="X-API-Key", auto_error=False))


class Access:
    """Checks keys, rights and rates. One for all that a process serves."""

    def __init__(
        self,
        keys: tuple[Key, ...],
        limiter: RateLimiter | None,
        clock: Clock,
        addresses: ClientAddresses,
    ) -> None:
        self.addresses = addresses
        self.keys = keys
        self._by_digest = {key.digest: key for key in keys}
        self._limiter = limiter
        self._clock = clock

    @classmethod
    def from_settings(cls, settings: Settings, clock: Clock | None = None) -> Access:
        """Raises SetupError for a key that cannot be understood."""
        clock = clock or SystemClock()
        limits = settings.limits
        per_second = limits.requests_per_second
        limiter = RateLimiter(per_second, limits.burst, clock) if per_second else None
        addresses = ClientAddresses(settings.http.trusted_proxies)
        return cls(keys_of(settings), limiter, clock, addresses)

    @property
    def is_open(self) -> bool:
        """There are no keys: everyone may do everything."""
        return not self.keys

    @property
    def is_idle(self) -> bool:
        """There is nothing to check: neither keys nor rates."""
        return not self.keys and self._limiter is None

    def authenticate(
        self, headers: Mapping[bytes, bytes], right: Right, query: bytes = b""
    ) -> Key | None:
        """The key that came with these headers, or in this query; None when access is open.

        Raises Unauthorized for no key, an unknown or an expired one, Forbidden for one without that
        right or from a page that it is not for.
        """
        if not self.keys:
            return None
        presented = _presented(headers)
        key = self._find_key(presented or _in_query(query, right))
        if presented is None and not key.origins:
            raise Forbidden(
                "addresses are logged: only a key that names its pages (origins=) may be in one"
            )
        if key.expires_ms is not None and self._clock.now_ms() >= key.expires_ms:
            raise Unauthorized(f"this key expired at {moment(key.expires_ms)}: use a new one")
        if key.origins:
            _check_origin(key, headers.get(b"origin"))
        if not key.allows(right):
            raise Forbidden(
                f"this key may not {_DEEDS[right]}: use one with the right"
                f" `{right.value}`, or an admin key"
            )
        return key

    def admit(
        self, key: Key | None, headers: Mapping[bytes, bytes], peer: Callable[[], str]
    ) -> tuple[Header, ...]:
        """Take a token of the rate of this key at this client; `peer` tells the address of the
        connection. Returns the RateLimit headers of the response. Raises TooManyRequests.

        Each client of a key has a rate of its own: one visitor of a page, or one script with the
        page's key, cannot take it from all others."""
        if self._limiter is None:
            return ()
        address = self.addresses.of(peer(), headers)
        return self._limiter.admit(address if key is None else f"{key.name} {address}")

    def callers(self, method: str, path: str) -> tuple[str, ...]:
        """The names of the keys that may send such a request."""
        right = _right_of(method, path)
        return tuple(key.name for key in self.keys if key.allows(right))

    def check_asgi(self, scope: Scope, right: Right) -> None:
        """Check the request of `scope`. Writes the caller's name to `scope[CALLER]` and whether it
        may be told positions to `scope[SEES_POSITIONS]`, and appends the RateLimit headers to
        `scope[ADDED_HEADERS]`. Raises as `authenticate` and `admit` do. A request that is checked
        twice takes one token."""
        is_first = CALLER not in scope
        headers = by_name(scope["headers"])
        key = self.authenticate(headers, right, scope.get("query_string", b""))
        scope[CALLER] = None if key is None else key.name
        scope[SEES_POSITIONS] = key is None or key.sees_positions
        if self._limiter is not None and is_first:
            client = scope.get("client")
            added = self.admit(key, headers, lambda: client[0] if client else "")
            scope.setdefault(ADDED_HEADERS, []).extend(added)

    async def require_route(
        self,
        request: Request,
        _bearer: object = _BEARER,
        _header: object = _HEADER,
    ) -> None:
        """FastAPI dependency of every route: reading needs the read right, deleting the admin
        right, a POST the right of its path.

        It is async so that FastAPI runs it on the event loop, where rates are counted."""
        self.check_asgi(request.scope, _right_of(request.method, request.scope["path"]))

    def _find_key(self, presented: bytes) -> Key:
        # Its timing can tell something about SHA-256 digests, and nothing about keys.
        key = self._by_digest.get(digest_of(presented))
        if key is None:
            raise Unauthorized("this key is not known")
        return key


def _right_of(method: str, path: str) -> Right:
    return _NEEDED.get(method) or right_to_post(path)


def _presented(headers: Mapping[bytes, bytes]) -> bytes | None:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and token.strip():
        return token.strip()
    if key := headers.get(b"x-api-key", b"").strip():
        return key
    return None


def _in_query(query: bytes, right: Right) -> bytes:
    if right in _BEACONS and (found := _KEY_PARAMETER.search(query)) is not None:
        return unquote_to_bytes(found[1])
    raise Unauthorized("send a key: 'Authorization: Bearer <key>' or 'X-API-Key: <key>'")


def _check_origin(key: Key, origin: bytes | None) -> None:
    """Raises Forbidden unless a page of the key's origins sent the request.

    Everyone can read a key that stands in a page. Browsers send the true origin, so this keeps
    other pages from using the key; it does not stop somebody with curl.
    """
    if origin is None:
        raise Forbidden("this key is for web pages: the request has no Origin")
    if origin.decode("latin-1") not in key.origins:
        raise Forbidden("this key is not for pages of this origin")
