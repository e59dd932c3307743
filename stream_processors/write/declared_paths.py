"""What an operator has declared of the JSON of sessions and events, as expressions of SQL.

A path is `search_meta.device.kind`: a column, and the keys below it. Names reach ClickHouse as
bound parameters; only their number shapes the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# Bytes. A longer value names no group of searches, and each is a group of its own in analytics.
LONGEST_VALUE: Final = 128

# Values are kept as integers, so that sums do not depend on the order of threads: four digits after
# the point, as the smallest units of currencies need at most.
VALUE_PARTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Expression:
    """Text of SQL, and the parameters that it names."""

    sql: str
    parameters: Mapping[str, str]


def dimensions(paths: Sequence[str]) -> Expression:
    """A map from each path that a session has a value for to that value, as text."""
    parameters: dict[str, str] = {}
    entries = []
    for number, path in enumerate(paths):
        column, *keys = path.split(".")
        parameters[f"dimension_{number}"] = path
        value = _extract(column, keys, f"dimension_{number}", "String", parameters)
        entries.append(f"{{dimension_{number}:String}}, {value}")
    return Expression(
        f"CAST(mapFilter((path, value) -> value != '' AND length(value) <= {LONGEST_VALUE},"
        f" CAST(map({', '.join(entries)}), 'Map(String, String)')),"
        " 'Map(LowCardinality(String), LowCardinality(String))')",
        parameters,
    )


def event_value(path: str) -> Expression:
    """The number at `path` of an event, such as `meta.amount`, in ten-thousandths; NULL without
    one, and always for an empty path."""
    if not path:
        return Expression("CAST(NULL, 'Nullable(Int64)')", {})
    parameters: dict[str, str] = {}
    column, *keys = path.split(".")
    value = _extract(column, keys, "event_value", "Nullable(Float64)", parameters)
    return Expression(f"accurateCastOrNull(round({value} * {VALUE_PARTS}), 'Int64')", parameters)


def _extract(
    column: str, keys: Sequence[str], name: str, type: str, parameters: dict[str, str]
) -> str:
    """The value at the keys; adds a parameter for each of them."""
    bound = {f"{name}_key_{number}": key for number, key in enumerate(keys)}
    parameters.update(bound)
    places = ", ".join(f"{{{each}:String}}" for each in bound)
    return f"JSONExtract(ifNull({column}, ''), {places}, '{type}')"
