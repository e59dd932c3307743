"""Whose data is erased, until when, and how the bytes of dead letters name it. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.erasures import user_hash

# Chance finds five given bytes once in a terabyte of letters, and four in four gigabytes.
_SHORT_BYTES: Final = 5


@dataclass(frozen=True, slots=True)
class Target:
    """Whom it is about: by all the forms in which a user's id may be stored, and by the hash, in
    hex, of each. Users who were erased long ago have nothing but hashes."""

    users: list[str]
    user_hashes: list[str]
    cut_off: int

    @classmethod
    def of(cls, users: Sequence[str], cut_off: int) -> Target:
        """One user, in all forms."""
        return cls(list(users), [user_hash(user).hex() for user in users], cut_off)


def beginning_of(session_id: str) -> str:
    """How each of our records of a session begins, behind its header; in hex."""
    return _avro(session_id).hex()


def fragments_of(id_: str, *, is_user: bool) -> list[str]:
    """What bytes that name the id have somewhere, in hex: the id, in JSON or as it is.

    One that is so short that it may be found anywhere must be in quotation marks, or the string of
    a union in Avro, as user ids are.
    """
    quoted = {json.dumps(id_, ensure_ascii=ascii_).encode() for ascii_ in (False, True)}
    if len(id_.encode()) < _SHORT_BYTES:
        return [each.hex() for each in (*quoted, *([b"\x02" + _avro(id_)] if is_user else []))]
    return [each.hex() for each in {id_.encode(), *(each[1:-1] for each in quoted)}]


def _avro(text: str) -> bytes:
    data = text.encode()
    number, prefix = len(data) << 1, bytearray()
    while number > 127:
        prefix.append(number & 127 | 128)
        number >>= 7
    prefix.append(number)
    return bytes(prefix) + data
