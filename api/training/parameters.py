"""The query parameters of training files. What is wrong is an InvalidRequest that names it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query

from api.metrics.parameters import refusal
from api.training.formats import NEED_FEATURES, TrainingFormat
from api.training.question import MOST_FEATURES, Feature

_LONGEST_PATH: Final = 8

FeaturesParam = Annotated[
    str,
    Query(
        max_length=10_000,
        description="Numbers of each result, separated by commas: rank, or paths of its meta such "
        "as meta.price",
    ),
]
TitleParam = Annotated[
    str,
    Query(
        max_length=512,
        description="Path of a result's text, such as meta.title, for triples and conversations; "
        "left out, or where a result has none: its object_id",
    ),
]
SharesParam = Annotated[
    str,
    Query(
        max_length=20,
        description="Percent for training and for validation, separated by a comma; the rest is "
        "for testing",
    ),
]


def parse_features(text: str, format: TrainingFormat) -> list[Feature]:
    """In their order, each once."""
    if not text:
        if format in NEED_FEATURES:
            raise refusal("features", f"is needed: a file of {format.value} has features alone")
        return []
    names = [name.strip() for name in text.split(",")]
    if len(names) > MOST_FEATURES:
        raise refusal("features", f"has {len(names)} names: at most {MOST_FEATURES}")
    found = [
        Feature(name, () if name == "rank" else parse_path("features", name)) for name in names
    ]
    columns = [feature.column for feature in found]
    for column in columns:
        if columns.count(column) > 1:
            raise refusal("features", f"has two that are called {column} in tables")
    return found


def parse_path(parameter: str, text: str) -> tuple[str, ...]:
    """The keys behind `meta.`; empty for an empty text."""
    if not text:
        return ()
    root, *keys = text.split(".")
    if root != "meta" or not keys or not all(keys):
        raise refusal(parameter, f"{text[:64]!r} is no path of a result's meta, such as meta.price")
    if len(keys) > _LONGEST_PATH:
        raise refusal(parameter, f"{text[:64]!r} has more than {_LONGEST_PATH} keys")
    return tuple(keys)


def parse_shares(text: str) -> tuple[int, int]:
    """Whole percents, of which training has at least one."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise refusal("shares", "must be two whole percents, such as 80,10")
    train, validation = (int(part) for part in parts)
    if not 1 <= train <= 100 or train + validation > 100:
        raise refusal("shares", "must be 1 to 100 together, of which training has at least 1")
    return train, validation
