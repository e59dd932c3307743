"""The person whose data is erased, and the bytes by which a dead letter names an id. Pure."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastavro import schemaless_writer

from schemas.erasures import user_hash

# Five given bytes occur by chance once in a terabyte of dead letters, four once in four gigabytes.
_SHORT_BYTES: Final = 5


@dataclass(frozen=True, slots=True)
class DataSubject:
    """A user, by every form in which the user id may be stored, and by the hash of each, in hex.

    The cut-off is in milliseconds since 1970: data that the edge received later is not erased. For
    users of earlier erasures only the hashes are known. `every`: everybody who was ever erased.
    """

    users: list[str]
    user_hashes: list[str]
    cut_off: int
    every: bool = False

    @classmethod
    def of(cls, users: Sequence[str], cut_off: int) -> DataSubject:
        """One user; `users` has all stored forms of the id."""
        return cls(list(users), [user_hash(user).hex() for user in users], cut_off)


def record_prefix(session_id: str) -> str:
    """The first bytes of each of our records of a session, after the wire header; in hex."""
    return _avro(session_id).hex()


def byte_patterns(id_: str, *, is_user: bool) -> list[str]:
    """Byte strings, in hex, that a value naming the id contains: the id itself, or as JSON.

    A short id could occur anywhere. It must be in quotation marks, or, for a user id, be the string
    of an Avro union.
    """
    quoted = {json.dumps(id_, ensure_ascii=ascii_).encode() for ascii_ in (False, True)}
    if len(id_.encode()) < _SHORT_BYTES:
        return [each.hex() for each in (*quoted, *([b"\x02" + _avro(id_)] if is_user else []))]
    return [each.hex() for each in {id_.encode(), *(each[1:-1] for each in quoted)}]


def _avro(text: str) -> bytes:
    buffer = io.BytesIO()
    schemaless_writer(buffer, "string", text)
    return buffer.getvalue()
