"""Where a body has half of a surrogate pair: a text that was cut in the middle of an emoji.

JSON can write it (`"\\ud83d"`), UTF-8 cannot hold it, and the decoder of bodies says no more of it
than a byte, or that the body ends too early.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from producers.field_by_field import plain_name

_MAY_BE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_IS: Final = re.compile("[\ud800-\udfff]")


def half_surrogates(body: bytes) -> Iterator[str]:
    """The JSON paths of the texts that have one; none for what is no JSON in other ways."""
    if _MAY_BE.search(body) is None:
        return
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return
    left = [(content, "$")]
    while left:
        value, path = left.pop()
        if isinstance(value, str):
            if _IS.search(value):
                yield path
        elif isinstance(value, list):
            left += [(item, f"{path}[{index}]") for index, item in enumerate(value)][::-1]
        elif isinstance(value, dict):
            left += [(item, f"{path}.{plain_name(name)}") for name, item in value.items()][::-1]
            left += [(name, path) for name in value]
