"""What an operator has declared of the JSON of sessions and events, as expressions of SQL.

A path (`core.declared_paths`) is a column, and the keys below it. Names reach ClickHouse as bound
parameters; only their number shapes the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.declared_paths import RESULT_META, is_of_results

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
        if not is_of_results(path):
            column, *keys = path.split(".")
            entries.append(_entry(f"dimension_{number}", path, column, keys, parameters))
    return Expression(
        f"CAST({_values(entries)}, 'Map(String, String)')",
        parameters,
    )


def result_dimensions(paths: Sequence[str]) -> Expression:
    """Of each result such a map as JSON text, empty without a value; no element at all when no
    result has one."""
    parameters: dict[str, str] = {}
    entries = []
    for number, path in enumerate(paths):
        if is_of_results(path):
            keys = path.removeprefix(f"{RESULT_META}.").split(".")
            entries.append(_entry(f"dimension_{number}", path, "meta", keys, parameters))
    if not entries:
        return Expression("CAST([], 'Array(LowCardinality(String))')", {})
    of_each = f"arrayMap(meta -> toJSONString({_values(entries)}), `{RESULT_META}`)"
    return Expression(
        f"CAST(if(arrayExists(each -> each != '{{}}', {of_each} AS of_each),"
        " arrayMap(each -> if(each = '{}', '', each), of_each), []),"
        " 'Array(LowCardinality(String))')",
        parameters,
    )


def _entry(
    name: str, path: str, column: str, keys: Sequence[str], parameters: dict[str, str]
) -> str:
    """A key of a map, and its value; adds their parameters."""
    parameters[name] = path
    return f"{{{name}:String}}, {_extract(column, keys, name, 'String', parameters)}"


def _values(entries: Sequence[str]) -> str:
    """The map of those that have a value, and no longer one than is allowed."""
    return (
        f"mapFilter((path, value) -> value != '' AND length(value) <= {LONGEST_VALUE},"
        f" CAST(map({', '.join(entries)}), 'Map(String, String)'))"
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
