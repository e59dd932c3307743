"""API keys: who may write, who may read.

A key comes as `Authorization: Bearer <key>` or as `X-API-Key: <key>`. Admin keys may do everything.
Without any key in the settings everything is open, and the server listens on loopback only
(`clickstream.http.server` sees to that). As soon as there is one key of any kind, a right that has
no key of its own is left to the admin keys.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.requests import Request
from starlette.types import Scope

from clickstream.errors import Forbidden, Unauthorized
from clickstream.settings import Settings


class Right(Enum):
    """What a key may allow."""

    WRITE = "write"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """A known key. Its text is not kept: `name` is the head of its SHA-256, for the audit trail."""

    digest: bytes
    rights: frozenset[Right]

    @property
    def name(self) -> str:
        return f"key-{self.digest.hex()[:8]}"


CALLER = "clickstream.caller"
"""Where in the ASGI scope the name of the caller's key is left; None when access is open."""

_READING = frozenset({"GET", "HEAD"})

# Nothing is checked here (auto_error=False): they put the two headers into the OpenAPI document.
_BEARER = Security(HTTPBearer(auto_error=False, description="a write, read or admin key"))
_HEADER = Security(APIKeyHeader(name="X-API-Key", auto_error=False))


class Access:
    """The check in front of every route of a role."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys

    @classmethod
    def of(cls, settings: Settings) -> Access:
        rights: dict[bytes, frozenset[Right]] = {}
        granted = {
            Right.WRITE: settings.write_keys,
            Right.READ: settings.read_keys,
            Right.ADMIN: settings.admin_keys,
        }
        for right, keys in granted.items():
            for key in keys:
                digest = _digest(key.get_secret_value().encode())
                rights[digest] = rights.get(digest, frozenset()) | {right}
        return cls(tuple(Key(digest, allowed) for digest, allowed in rights.items()))

    @property
    def is_open(self) -> bool:
        """No keys at all: everyone may do everything."""
        return not self._keys

    def caller(self, headers: Mapping[bytes, bytes], right: Right) -> str | None:
        """The name of the key that came with these headers; None when access is open.

        Raises Unauthorized for no key or an unknown one, Forbidden for one without that right.
        """
        if not self._keys:
            return None
        key = self._known(_presented(headers))
        if right not in key.rights and Right.ADMIN not in key.rights:
            raise Forbidden(f"this key may not {right.value}: use a {right.value} or an admin key")
        return key.name

    def admit(self, scope: Scope, right: Right) -> None:
        """Check the request of `scope`, and leave the caller's name in it. Raises like `caller`."""
        scope[CALLER] = self.caller(dict(scope["headers"]), right) if self._keys else None

    def guard(
        self,
        request: Request,
        _bearer: object = _BEARER,
        _header: object = _HEADER,
    ) -> None:
        """FastAPI dependency: reading needs the read right, every other method the write right."""
        self.admit(request.scope, Right.READ if request.method in _READING else Right.WRITE)

    def _known(self, presented: bytes) -> Key:
        digest = _digest(presented)
        found: Key | None = None
        # All are compared, each in constant time: how long it takes says nothing about any key.
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        if found is None:
            raise Unauthorized("this key is not known")
        return found


def _presented(headers: Mapping[bytes, bytes]) -> bytes:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and token.strip():
        return token.strip()
    if key := headers.get(b"x-api-key", b"").strip():
        return key
    raise Unauthorized("send a key: 'Authorization: Bearer <key>' or 'X-API-Key: <key>'")


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
