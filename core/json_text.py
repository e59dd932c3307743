"""Metas as they are stored: compact JSON text, of values that every reader of exports can hold.

All else of the text is kept byte for byte: `1` and `1.0`, the order of keys, escapes.
"""

from __future__ import annotations

import re
from math import isinf
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

# A number that does not fit has 19 digits in a row, or an exponent of three digits.
_AS_CLASSES: Final = bytes.maketrans(b"123456789e", b"000000000E")
_LONG: Final = b"0" * 19
_POWERFUL: Final = b"0E000"
_CANDIDATE: Final = re.compile(rb"[-0-9](?:[0-9.]*[eE]\+?[0-9]{3,}|[0-9.eE+\-]{18,})")
# A double has at most 309 digits before its point, and 17 that matter.
_NUMBER_CHARS: Final = 400

MAY_BE_OUT_OF_RANGE: Final = r"[0-9]{19}|[0-9][eE]\+?[0-9]{3}"
"""What text must have to be out of range: for those who look at many texts at once."""

OUT_OF_RANGE: Final = (
    "has a number that common readers cannot hold: integers go from -2^63 to 2^64-1, other numbers"
    " as far as a double, in at most 400 characters"
)

_BRACKETS: Final = b"[]{}"
_NO_BRACKET: Final = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_STEPS: Final = np.zeros(256, dtype=np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


def compact(text: str) -> str:
    """The same JSON without white space between its parts. Raises msgspec.DecodeError or
    RecursionError for what is not JSON."""
    if " " in text or "\n" in text or "\t" in text or "\r" in text:
        return msgspec.json.format(text, indent=-1)
    return text


def is_out_of_range(text: bytes) -> bool:
    """Whether valid JSON has a number that common readers cannot hold: see `OUT_OF_RANGE`."""
    classes = text.translate(_AS_CLASSES, b"+")
    if _LONG not in classes and _POWERFUL not in classes:
        return False  # almost always
    outside = _outside_strings(text).tobytes()
    return any(_does_not_fit(found[0]) for found in _CANDIDATE.finditer(outside))


def deeper_than(limit: int, text: bytes) -> bool:
    """Whether objects and arrays are nested more than `limit` deep in valid JSON, or in several
    texts one after the other; `{"a": [1]}` is 2 deep."""
    if not may_be_deeper(limit, text):
        return False
    brackets = _outside_strings(text).tobytes().translate(None, _NO_BRACKET)
    steps = _STEPS[np.frombuffer(brackets, dtype=np.uint8)]
    return bool(np.cumsum(steps, dtype=np.int32).max(initial=0) > limit)


def may_be_deeper(limit: int, text: bytes) -> bool:
    """Whether there are more opening brackets than `limit`. Quick: it does not look where."""
    return text.count(b"{") + text.count(b"[") > limit


def _does_not_fit(number: bytes) -> bool:
    if len(number) > _NUMBER_CHARS:
        return True
    if number.lstrip(b"-").isdigit():
        return not -(2**63) <= int(number) < 2**64
    return isinf(float(number))


def _outside_strings(text: bytes) -> npt.NDArray[np.uint8]:
    """What stands outside strings, and the quote that begins each, so that nothing runs together.

    A backslash stands in strings alone, and first in its escape: pairs of them are found as such.
    """
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    data = np.frombuffer(plain, dtype=np.uint8)
    within = np.cumsum(data == ord('"'), dtype=np.uint8) & 1  # evenness survives the overflow
    outside: npt.NDArray[np.uint8] = data[within == 0]
    return outside
