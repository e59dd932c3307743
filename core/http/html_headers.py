"""What a browser may do with a page of ours: the headers of every HTML response.

Pages bring all they need with them and load nothing from elsewhere: they work on a laptop without a
network, and nobody else's server can change what they do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from core.http.raw_response import Header


def policy(*, inline_styles: bool) -> str:
    """A Content-Security-Policy. Styles may stand in a page where it needs that; scripts never."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'" + " 'unsafe-inline'" * inline_styles,
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


PAGE_HEADERS: Final[tuple[Header, ...]] = (
    # Swagger UI sets styles on its elements.
    (b"content-security-policy", policy(inline_styles=True).encode()),
    (b"x-frame-options", b"DENY"),  # for browsers that do not know frame-ancestors
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


def with_html_security_headers(headers: Iterable[Header]) -> list[Header]:
    """The same headers; those of an HTML response get the ones of `PAGE_HEADERS` that it lacks."""
    given = list(headers)
    names = dict(given)
    if not names.get(b"content-type", b"").startswith(b"text/html"):
        return given
    return [*given, *(header for header in PAGE_HEADERS if header[0] not in names)]
