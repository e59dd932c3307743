"""A small imaginary shop: what people search for, and which objects answer how well."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

_QUALITIES = (
    "wireless", "used", "mini", "waterproof", "vintage", "folding", "kids", "usb-c", "solar",
    "heavy duty", "portable", "leather", "organic", "smart", "quiet", "größe xl", "ergonomic",
)  # fmt: skip
_THINGS = (
    "headphones", "charger", "desk lamp", "backpack", "kettle", "keyboard", "tent", "bike lock",
    "monitor", "café table", "blender", "router", "yoga mat", "drill", "notebook", "water bottle",
    "office chair", "speaker", "camera strap", "雨伞", "toaster", "garden hose", "wool socks",
)  # fmt: skip

_OBJECTS_PER_QUERY = (25, 60)
# Popularity of the n-th most frequent query is n to this power: what search logs show, near 1.
_ZIPF_EXPONENT = -1.0
# Every so many queries nothing is found: a misspelling.
_NOTHING_FOUND_EVERY = 19


@dataclass(frozen=True, slots=True)
class Offer:
    """An object as an answer to one query. `relevance` is the chance that someone who looks at it
    clicks it, from 0 to 1."""

    object_id: str
    relevance: float
    price_cents: int


@dataclass(frozen=True, slots=True)
class Query:
    """A query text and all that could be shown for it, best first."""

    text: str
    offers: tuple[Offer, ...]


class Catalog:
    """All queries, drawn by Zipf's law. The same `random` state makes the same catalog."""

    def __init__(self, random: Random) -> None:
        texts = [f"{quality} {thing}" for quality, thing in itertools.product(_QUALITIES, _THINGS)]
        texts += _THINGS
        random.shuffle(texts)
        self._queries = tuple(_query(number, text, random) for number, text in enumerate(texts))
        self._cumulative = tuple(
            itertools.accumulate((n + 1) ** _ZIPF_EXPONENT for n in range(len(texts)))
        )

    def __len__(self) -> int:
        return len(self._queries)

    def draw(self, random: Random) -> Query:
        """A query, the popular ones more often."""
        return random.choices(self._queries, cum_weights=self._cumulative)[0]


def _query(number: int, text: str, random: Random) -> Query:
    if number % _NOTHING_FOUND_EVERY == _NOTHING_FOUND_EVERY - 1:
        return Query(text.replace("e", "", 1) + "z", ())
    return Query(text, tuple(_offers(number, random)))


def _offers(number: int, random: Random) -> Sequence[Offer]:
    count = random.randint(*_OBJECTS_PER_QUERY)
    return sorted(
        (
            Offer(
                object_id=f"obj-{number}-{n}",
                relevance=random.betavariate(1.4, 2.2),
                price_cents=random.randint(199, 49_999),
            )
            for n in range(count)
        ),
        key=lambda offer: -offer.relevance,
    )
