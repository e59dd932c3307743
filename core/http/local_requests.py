"""What is served without keys: requests that this machine makes, and no page of another site.

Listening on loopback keeps other machines away, and not the pages in a browser here: they may send
requests to 127.0.0.1, and a name that resolves to it (DNS rebinding) even lets them read the
responses. Browsers say both truthfully, in `Host`, and in `Origin` or `Sec-Fetch-Site`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from core.errors import ForeignRequest

_LOOPBACK: Final = (
    rb"(?:(?:[a-z0-9-]+\.)*localhost\.?|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?"
)
_HOST: Final = re.compile(_LOOPBACK, re.IGNORECASE)
_ORIGIN: Final = re.compile(rb"https?://" + _LOOPBACK, re.IGNORECASE)
_KEYS: Final = "or set CLICKSTREAM_WRITE_KEYS, CLICKSTREAM_READ_KEYS or CLICKSTREAM_ADMIN_KEYS"


class LocalRequests:
    """Refuses what this machine's own programs and pages would not send.

    `origins` are those that the operator lets read responses (CORS); `*` stands for all.
    """

    def __init__(self, origins: Iterable[str] = ()) -> None:
        found = frozenset(origins)
        self._is_any = "*" in found
        self._origins = frozenset(origin.encode() for origin in found)

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises ForeignRequest. Cheap: it is asked for each request."""
        host = headers.get(b"host")
        if host is not None and not _is_local_host(host):
            raise ForeignRequest(
                f"this server has no keys and serves this machine alone: ask for 127.0.0.1, {_KEYS}"
            )
        origin = headers.get(b"origin")
        if origin is not None:
            is_foreign = not self._allows(origin)
        else:
            is_foreign = headers.get(b"sec-fetch-site") == b"cross-site"
        if is_foreign:
            raise ForeignRequest(
                "this server has no keys and serves no pages of other sites: allow the page's"
                f" origin by CLICKSTREAM_HTTP__CORS_ORIGINS, {_KEYS}"
            )

    def _allows(self, origin: bytes) -> bool:
        return self._is_any or origin in self._origins or _ORIGIN.fullmatch(origin) is not None


@lru_cache(maxsize=256)
def _is_local_host(host: bytes) -> bool:
    return _HOST.fullmatch(host.strip()) is not None
