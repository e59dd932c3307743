"""FULL_TRANSITIVE: every version of a record can read what every other version wrote.

Avro's rules of schema resolution are those of Apache's checker, so that a build can refuse a bad
change without a registry. In one point we are stricter than Avro: a logical type may not change,
because milliseconds read as microseconds resolve well and are wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityResult,
    SchemaCompatibilityType,
    SchemaIncompatibilityType,
    incompatible,
)
from avro.errors import AvroException
from avro.schema import Schema as ApacheSchema
from avro.schema import UnionSchema
from avro.schema import parse as parse_with_apache
from fastavro.schema import SchemaParseException, UnknownType, parse_schema
from fastavro.types import Schema

from core.errors import SchemaIncompatible

FULL_TRANSITIVE: Final = "FULL_TRANSITIVE"

_ROOT: Final = ReaderWriterCompatibilityChecker.ROOT_REFERENCE_TOKEN


@dataclass(frozen=True, slots=True)
class Clash:
    """Why data cannot be read: places such as `Session.results[].rank`, and the rules broken."""

    path: str
    rule: str

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}"


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """A clash between two versions of one record."""

    record: str
    reader: int
    writer: int
    clash: Clash

    def __str__(self) -> str:
        return (
            f"{self.record}: version {self.reader} cannot read version {self.writer}: {self.clash}"
        )


def parse(text: str) -> Schema:
    """A schema's JSON as fastavro wants it. Raises SchemaIncompatible when it is no Avro schema."""
    try:
        schema: Schema = parse_schema(json.loads(text), {})
    except (SchemaParseException, UnknownType, ValueError, TypeError, KeyError) as error:
        raise SchemaIncompatible(f"not an Avro schema: {error!r}") from error
    return schema


def find_clash(reader: str, writer: str) -> Clash | None:
    """What keeps data written with `writer` from being read as `reader`; both are schema JSON.

    Raises SchemaIncompatible when one of them is no Avro schema.
    """
    reader_schema, writer_schema = _parse_with_apache(reader), _parse_with_apache(writer)
    result = _Checker().get_compatibility(reader_schema, writer_schema)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return None
    # The checker adds the root to the places of every clash that lies deeper.
    places = sorted(result.locations - {_ROOT}) or [_ROOT]
    kinds = dict.fromkeys(kind.value.replace("_", " ") for kind in result.incompatibilities)
    return Clash(
        ", ".join(_path(reader_schema, place) for place in places),
        f"{', '.join(kinds)} ({'; '.join(sorted(result.messages))})",
    )


def incompatibilities(record: str, versions: Mapping[int, str]) -> list[Incompatibility]:
    """Of any two versions of a record, in both directions."""
    return [
        Incompatibility(record, reader, writer, clash)
        for reader in versions
        for writer in versions
        if reader != writer
        if (clash := find_clash(versions[reader], versions[writer])) is not None
    ]


class _Checker(ReaderWriterCompatibilityChecker):
    """Apache's, with the rule of logical types, and with places that unions do not hide."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library has no annotation
        self._location: list[str] = []

    def get_compatibility(
        self,
        reader: ApacheSchema,
        writer: ApacheSchema,
        reference_token: str = _ROOT,
        location: list[str] | None = None,
    ) -> SchemaCompatibilityResult:
        if location is None and self._location:  # a branch of a union is where the union is
            *location, reference_token = self._location
        return super().get_compatibility(reader, writer, reference_token, location)

    def calculate_compatibility(
        self, reader: ApacheSchema, writer: ApacheSchema, location: list[str]
    ) -> SchemaCompatibilityResult:
        outer, self._location = self._location, location
        result = super().calculate_compatibility(reader, writer, location)
        self._location = outer
        if (
            result.compatibility is SchemaCompatibilityType.compatible
            and not isinstance(reader, UnionSchema)
            and not isinstance(writer, UnionSchema)
            and _logical_type(reader) != _logical_type(writer)
        ):
            return incompatible(
                SchemaIncompatibilityType.type_mismatch,
                f"the logical type {_logical_type(writer)} would be read as"
                f" {_logical_type(reader)}: same bytes, another meaning",
                location,
            )
        return result


def _parse_with_apache(text: str) -> ApacheSchema:
    parse(text)
    try:
        return parse_with_apache(text)
    except AvroException as error:
        raise SchemaIncompatible(f"not an Avro schema: {error!r}") from error


def _logical_type(schema: ApacheSchema) -> Any:
    return schema.props.get("logicalType")


def _path(schema: ApacheSchema, place: str) -> str:
    """`/fields/1/type/items` → `Session.results[]`."""
    at: Any = schema
    path = str(getattr(schema, "name", ""))
    tokens = iter(place.strip("/").split("/"))
    for token in tokens:
        if isinstance(at, UnionSchema):
            at = next((branch for branch in at.schemas if hasattr(branch, token)), at)
        match token:
            case "fields":
                at = at.fields[int(next(tokens))]
                path += f".{at.name}"
            case "type":
                at = at.type
            case "items":
                at = at.items
                path += "[]"
            case "values":
                at = at.values
                path += "{}"
            case _:  # a name, a size, symbols or a branch of the thing itself
                break
    return path
