"""The id by which one request is found in our log, in the caller's, and in a trace.

A caller may bring one: `X-Request-ID`, or the trace id of `traceparent`
(https://www.w3.org/TR/trace-context/). Without either, or with one that is not well-formed, one is
made. It is answered as `X-Request-ID`, stands in problem documents as `instance`, and in the log.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from itertools import count
from typing import Final

REQUEST_ID: Final = b"x-request-id"

# Nothing that breaks a log line or a header, and no longer than what tracing systems make.
_GIVEN: Final = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch
_TRACEPARENT: Final = re.compile(
    rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*", re.DOTALL
).fullmatch
# Random once per process, then counted: a random number for each request would cost more.
_PROCESS: Final = secrets.token_hex(6).encode()
_numbers = count(1)


def request_id_of(headers: Mapping[bytes, bytes]) -> bytes:
    """The id of the request with these headers. Costs less than a microsecond."""
    given = headers.get(REQUEST_ID)
    if given is not None and _GIVEN(given):
        return given
    parent = headers.get(b"traceparent")
    if parent is not None and (match := _TRACEPARENT(parent)):
        trace: bytes = match[1]
        return trace
    return b"%b-%x" % (_PROCESS, next(_numbers))
