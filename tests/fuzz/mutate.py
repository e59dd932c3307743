"""Broken records, made of good ones: seeded, so that what was found once is found again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

# Numbers where decoders go wrong, as Avro writes them: 0, -1, 64, around 2^31 and 2^63, and one
# that never ends.
_NUMBERS: Final = tuple(
    bytes.fromhex(digits)
    for digits in (
        *("00", "01", "8001", "8080808010", "ffffffff0f"),
        *("808080808080808080 01", "feffffffffffffffff 01", "ffffffffffffffffff 01"),
        "ffffffffffffffffffffff",
    )
)


class Mutator:
    """Spoils values a little, or a lot."""

    def __init__(self, seed: int, corpus: Sequence[bytes]) -> None:
        self._chance = random.Random(seed)
        self._corpus = corpus

    def values(self, count: int) -> list[bytes | None]:
        """So many; one in ten is good, as the corpus has it, and a few are null."""
        return [self._value() for _ in range(count)]

    def _value(self) -> bytes | None:
        chance = self._chance
        value = chance.choice(self._corpus)
        if chance.random() < 0.1:
            return value
        if chance.random() < 0.01:
            return None
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            value = chance.choice(self._MUTATIONS)(self, value)
        return value

    def _flip(self, value: bytes) -> bytes:
        place = self._place(value)
        changed = value[place : place + 1] or b"\x00"
        return (
            value[:place]
            + bytes([changed[0] ^ 1 << self._chance.randrange(8)])
            + value[place + 1 :]
        )

    def _put_number(self, value: bytes) -> bytes:
        place = self._place(value)
        return value[:place] + self._chance.choice(_NUMBERS) + value[place + 1 :]

    def _insert(self, value: bytes) -> bytes:
        place = self._place(value)
        return value[:place] + self._chance.randbytes(self._chance.randrange(1, 9)) + value[place:]

    def _delete(self, value: bytes) -> bytes:
        place = self._place(value)
        return value[:place] + value[place + self._chance.randrange(1, 9) :]

    def _cut(self, value: bytes) -> bytes:
        return value[: self._place(value)]

    def _append(self, value: bytes) -> bytes:
        return value + self._chance.randbytes(self._chance.randrange(1, 9))

    def _splice(self, value: bytes) -> bytes:
        other = self._chance.choice(self._corpus)
        return value[: self._place(value)] + other[self._place(other) :]

    def _noise(self, value: bytes) -> bytes:
        """Our header and nothing that belongs behind it."""
        return value[:5] + self._chance.randbytes(self._chance.randrange(60))

    def _place(self, value: bytes) -> int:
        return self._chance.randrange(len(value)) if value else 0

    _MUTATIONS: Final[Sequence[Callable[[Mutator, bytes], bytes]]] = (
        *(_flip, _flip, _put_number, _insert, _delete, _cut, _append, _splice, _noise),
    )
