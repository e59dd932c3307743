"""The imaginary shop: what people search for, and what it shows them. Pure and seeded."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from random import Random
from typing import Final

# What is searched for, and how often. Popularity falls as in real logs.
_TOPICS: Final = (
    ("printer", 90), ("laser printer", 60), ("ink cartridge", 55), ("printer paper", 50),
    ("desk lamp", 44), ("usb-c cable", 40), ("office chair", 36), ("monitor", 34),
    ("wireless mouse", 30), ("keyboard", 28), ("notebook", 26), ("webcam", 24),
    ("headphones", 22), ("laptop stand", 20), ("whiteboard", 18), ("paper shredder", 16),
    ("label maker", 14), ("envelopes", 13), ("standing desk", 12), ("cable organizer", 11),
    ("ring binder", 10), ("calculator", 9), ("desk mat", 8), ("scanner", 8), ("stapler", 7),
    ("photo paper", 6), ("hdmi cable", 6), ("router", 5), ("café table", 4), ("größe xl", 2),
)  # fmt: skip
# Nothing is found for these: misspellings, and what the shop does not sell. Behind each, what
# people search for next.
_NOTHING_FOUND: Final = (
    ("printre", 14, "printer"), ("fax machine", 11, "scanner"),
    ("lazer printer", 8, "laser printer"), ("typewriter ribbon", 6, "ink cartridge"),
    ("usb d cable", 5, "usb-c cable"), ("moniter", 4, "monitor"), ("floppy disk", 3, "notebook"),
)  # fmt: skip
# What the shop answers badly: people look, and do not click.
_ANSWERED_BADLY: Final = (("gift card", 20), ("return label", 14), ("student discount", 9))
# Searched for in the last days of the month only.
_RISING: Final = (("fan heater", 40), ("advent calendar", 25))

PROMOTED: Final = "banner-autumn-sale"
"""Shown in every tenth list at its third place, and never clicked."""

_OBJECTS: Final = (14, 40)
_BAD_RELEVANCE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Item:
    """`relevance`: the chance that who looks at it clicks it."""

    object_id: str
    relevance: float
    price: float


@dataclass(frozen=True, slots=True)
class Topic:
    """A query text, and all that could be shown for it, best first."""

    text: str
    weight: int
    items: tuple[Item, ...]
    next_text: str | None = None
    """What is searched for next where nothing is found."""


class Shop:
    """The same `random` state makes the same shop."""

    def __init__(self, random: Random) -> None:
        good = [_topic(text, weight, random) for text, weight in _TOPICS]
        bad = [_topic(text, weight, random, _BAD_RELEVANCE) for text, weight in _ANSWERED_BADLY]
        nothing = [Topic(text, weight, (), meant) for text, weight, meant in _NOTHING_FOUND]
        rising = [_topic(text, weight, random) for text, weight in _RISING]
        self._usual = len(good) + len(bad) + len(nothing)
        self._topics = (*good, *bad, *nothing, *rising)
        self._cumulative = tuple(itertools.accumulate(topic.weight for topic in self._topics))
        self._by_text = {topic.text: topic for topic in self._topics}

    def draw(self, random: Random, *, is_late: bool) -> Topic:
        """What somebody searches for, popular topics more often; `is_late`: in the last days."""
        count = len(self._topics) if is_late else self._usual
        return random.choices(self._topics[:count], cum_weights=self._cumulative[:count])[0]

    def after(self, topic: Topic) -> Topic | None:
        """What is searched for next where nothing was found."""
        return None if topic.next_text is None else self._by_text[topic.next_text]


def _topic(text: str, weight: int, random: Random, most: float = 1.0) -> Topic:
    slug = text.replace(" ", "-")
    items = sorted(
        (
            Item(
                f"{slug}-{number:02d}",
                most * random.betavariate(1.3, 2.4),
                round(random.uniform(3, 400), 2),
            )
            for number in range(1, random.randint(*_OBJECTS) + 1)
        ),
        key=lambda item: -item.relevance,
    )
    return Topic(text, weight, tuple(items))
