"""The headers of a request by their names."""

from __future__ import annotations

from collections.abc import Sequence

from core.http.raw_response import Header


def by_name(lines: Sequence[Header]) -> dict[bytes, bytes]:
    """Name → value. Names are in lower case already.

    Several lines of one name are one list, joined by commas (RFC 9110, 5.3): whatever came before
    the last of them counts. What may come once, a key for instance, is then no valid value.
    """
    found = dict(lines)
    if len(found) < len(lines):
        values: dict[bytes, list[bytes]] = {}
        for name, value in lines:
            values.setdefault(name, []).append(value)
        found = {name: b", ".join(several) for name, several in values.items()}
    return found
