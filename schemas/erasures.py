"""Hashes that name what was erased, without telling who it was.

The same three in ClickHouse: `SHA256(user_id)` and `substring(SHA256(session_id), 1, 16)`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

# Two different session ids with one hash would be erased together: at 16 bytes that takes 2^64 ids,
# whoever chooses them.
_SHORT: Final = 16


def user_hash(user_id: str) -> bytes:
    """32 bytes; of the user id as it is stored."""
    return sha256(user_id.encode()).digest()


def session_hash(session_id: str) -> bytes:
    """16 bytes."""
    return sha256(session_id.encode()).digest()[:_SHORT]


def dead_letter_hash(value: bytes) -> bytes:
    """16 bytes; of the value of a dead letter."""
    return sha256(value).digest()[:_SHORT]
