"""Which lists are written, and what is told of each result."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from api.metrics.question import Filters

MOST_RESULTS: Final = 10_000
"""Of a list: LightGBM ends the whole training at one more."""
MOST_FEATURES: Final = 200
MOST_WEIGHT: Final = 10.0
"""Of a click: one where nobody looks would outweigh all others."""


class Split(StrEnum):
    """Which part of the lists."""

    ALL = "all"
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class SplitBy(StrEnum):
    """What is kept together: all lists of a user or of a query, or a stretch of time."""

    TIME = "time"
    USER = "user"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class Feature:
    """A number of each result: its own rank, or what stands at a path of its meta."""

    name: str
    path: tuple[str, ...]
    """Empty: the rank."""

    @property
    def column(self) -> str:
        """Its name in tables: trainers take letters, digits and underscores."""
        return "f_" + re.sub(r"[^0-9A-Za-z]", "_", self.name.removeprefix("meta."))


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of a range that have results."""

    times: tuple[int, int]
    relevance: str
    event_type: str
    filters: Filters = field(default_factory=Filters)
    features: Sequence[Feature] = ()
    title: tuple[str, ...] = ()
    """Path of the text of a result in its meta; empty: none."""
    variant_field: str = ""
    split_by: SplitBy = SplitBy.TIME
    split: Split = Split.ALL
    shares: tuple[int, int] = (80, 10)
    """Percent of lists, users or queries for training and for validation; the rest is for
    testing."""

    @property
    def needs_metas(self) -> bool:
        return bool(self.features or self.title)
