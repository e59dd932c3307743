"""How deep JSON text is nested, at the speed of the C library's byte functions."""

from __future__ import annotations

import re

# A string, also one that never ends: without the optional quote, text full of quotes would be
# scanned to its end from each of them. Possessive, so that nothing is ever tried twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET = bytes(byte for byte in range(256) if byte not in b"[]{}")


def deeper_than(limit: int, body: bytes) -> bool:
    """Whether objects and arrays are nested more than `limit` deep; `{"a": [1]}` is 2 deep.

    Any text is taken; for one that is not JSON the result means nothing. Time is linear in the
    length, times `limit` at worst.
    """
    if body.count(b"{") + body.count(b"[") <= limit:
        return False
    brackets = _STRING.sub(b"", body).translate(_ONE_KIND, _NO_BRACKET)
    for _ in range(limit):
        brackets = brackets.replace(b"[]", b"")  # takes one level off every innermost value
    return bool(brackets)
