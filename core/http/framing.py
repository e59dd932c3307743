"""Whether the head of a request says clearly where the request ends and what it asks for, as
RFC 9112 has it. Pure: nothing is read or written here.

What one server takes for a body and the next one for a request is how requests are smuggled past a
proxy. So what can be read in two ways is refused. The parser does the same with the lengths that
are announced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import httptools

from core.errors import MalformedRequest, TransferCodingUnknown
from core.http.raw_response import Header

_FRAMING: Final = (b"content-length", b"transfer-encoding")


def check_framing(lines: Sequence[Header], headers: Mapping[bytes, bytes], version: str) -> None:
    """Check Host and Transfer-Encoding; `headers` are the lines by name, `version` is HTTP's.

    Raises MalformedRequest or TransferCodingUnknown.
    """
    if b"host" not in headers:
        if version == "1.1":
            raise _no_single_host()
    elif len(headers) < len(lines) and sum(name == b"host" for name, _ in lines) > 1:
        raise _no_single_host()
    if (coding := headers.get(b"transfer-encoding")) is not None:
        _check_coding(coding, version)


def check_target(method: bytes, target: bytes) -> None:
    """RFC 9112, 3.2: a path, or a URL with one. Raises MalformedRequest."""
    if method == b"CONNECT":
        raise MalformedRequest("CONNECT asks a proxy for a tunnel, and this process is no proxy")
    try:
        path = httptools.parse_url(target).path
    except httptools.HttpParserInvalidURLError:
        path = None
    if path is None or not path.isascii():
        raise MalformedRequest(
            "after the method comes a path such as /session, or a URL with one, in ASCII"
        )


def head_without_upgrade(lines: Iterable[Header]) -> bytes:
    """A head after which a parser finds the body where these lines have announced it."""
    framing = (b"%b: %b\r\n" % line for line in lines if line[0] in _FRAMING)
    return b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(framing)


def _no_single_host() -> MalformedRequest:
    return MalformedRequest("a request has one Host header (RFC 9112, 3.2)")


def _check_coding(coding: bytes, version: str) -> None:
    """RFC 9112, 6.1: what is not undone here must not be taken for the body itself."""
    if version != "1.1":
        raise MalformedRequest("HTTP/1.0 has no Transfer-Encoding")
    if coding.strip().lower() != b"chunked":
        said = coding.decode("latin-1")[:100]
        raise TransferCodingUnknown(f"Transfer-Encoding {said}: send chunked")
