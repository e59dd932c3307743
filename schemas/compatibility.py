"""FULL_TRANSITIVE: every version of a record can read what every other version wrote.

Avro's rules of schema resolution (specification 1.12, "Schema Resolution"), as a pure function of
two schemas, so that a build can refuse a bad change without a registry. In one point it is stricter
than Avro: a logical type may not change, because milliseconds read as microseconds resolve well
and are wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from fastavro.schema import SchemaParseException, UnknownType, parse_schema
from fastavro.types import Schema

from core.errors import SchemaIncompatible

FULL_TRANSITIVE: Final = "FULL_TRANSITIVE"

_PROMOTIONS: Final[Mapping[str, frozenset[str]]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}

_NAMED: Final = frozenset({"record", "enum", "fixed"})

_Node: TypeAlias = dict[str, Any]
_Type: TypeAlias = str | list[Any] | _Node
_Names: TypeAlias = dict[str, _Node]


@dataclass(frozen=True, slots=True)
class Clash:
    """A place where data cannot be read: a path such as `Session.results[].rank`, and the rule."""

    path: str
    rule: str

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}"


@dataclass(frozen=True, slots=True)
class Breach:
    """A clash between two versions of one record."""

    record: str
    reader: int
    writer: int
    clash: Clash

    def __str__(self) -> str:
        return (
            f"{self.record}: version {self.reader} cannot read version {self.writer}: {self.clash}"
        )


def parse(text: str) -> tuple[Schema, dict[str, dict[str, Any]]]:
    """A schema's JSON as fastavro wants it, and its named types.

    Raises SchemaIncompatible when it is no Avro schema.
    """
    names: _Names = {}
    try:
        schema: Schema = parse_schema(json.loads(text), names)
    except (SchemaParseException, UnknownType, ValueError, TypeError, KeyError) as error:
        raise SchemaIncompatible(f"not an Avro schema: {error!r}") from error
    return schema, names


def clashes(reader: str, writer: str) -> list[Clash]:
    """What keeps data written with `writer` from being read as `reader`; both are schema JSON.

    Raises SchemaIncompatible when one of them is no Avro schema.
    """
    reader_type, reader_names = parse(reader)
    writer_type, writer_names = parse(writer)
    return list(_Resolution(reader_names, writer_names).of(reader_type, writer_type, ""))


def breaches(record: str, versions: Mapping[int, str]) -> list[Breach]:
    """Every clash between any two versions of a record, in both directions."""
    return [
        Breach(record, reader, writer, clash)
        for reader in versions
        for writer in versions
        if reader != writer
        for clash in clashes(versions[reader], versions[writer])
    ]


class _Resolution:
    """One pair of schemas; named types are looked up on their own side."""

    def __init__(self, reader_names: _Names, writer_names: _Names) -> None:
        self._reader_names = reader_names
        self._writer_names = writer_names
        self._under_way: set[tuple[str, str]] = set()

    def of(self, reader: _Type, writer: _Type, path: str) -> Iterator[Clash]:
        """Clashes below `path`."""
        reader, writer = _named(reader, self._reader_names), _named(writer, self._writer_names)
        if isinstance(writer, list):
            for branch in writer:
                yield from self.of(reader, branch, path)
        elif isinstance(reader, list):
            yield from self._into_union(reader, writer, path)
        else:
            yield from self._of_one(_node(reader), _node(writer), path)

    def _into_union(self, branches: Sequence[_Type], writer: _Type, path: str) -> Iterator[Clash]:
        """The reader offers several types: one of them must do."""
        tried = [list(self.of(branch, writer, path)) for branch in branches]
        if all(tried):
            # A branch of the same kind is what was meant: what is wrong inside it says more.
            inside = [found for found in tried if any(clash.path != path for clash in found)]
            if inside:
                yield from inside[0]
            else:
                offered = ", ".join(_label(_node(_named(b, self._reader_names))) for b in branches)
                yield Clash(
                    path, f"{_label(_node(writer))} is none of what the reader takes ({offered})"
                )

    def _of_one(self, reader: _Node, writer: _Node, path: str) -> Iterator[Clash]:
        kind, written = reader["type"], writer["type"]
        if kind != written and kind not in _PROMOTIONS.get(written, frozenset()):
            yield Clash(path, f"{_label(writer)} cannot be read as {_label(reader)}")
        elif reader.get("logicalType") != writer.get("logicalType"):
            yield Clash(
                path,
                f"the logical type {writer.get('logicalType')} would be read as"
                f" {reader.get('logicalType')}: same bytes, another meaning",
            )
        elif kind == "array":
            yield from self.of(reader["items"], writer["items"], f"{path}[]")
        elif kind == "map":
            yield from self.of(reader["values"], writer["values"], f"{path}{{}}")
        elif kind in _NAMED:
            yield from self._of_named(reader, writer, path)

    def _of_named(self, reader: _Node, writer: _Node, path: str) -> Iterator[Clash]:
        path = path or _unqualified(reader["name"])
        if not _same_name(reader, writer):
            yield Clash(path, f"{_label(writer)} cannot be read as {_label(reader)}")
        elif reader["type"] == "enum":
            unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
            if unknown and "default" not in reader:
                yield Clash(
                    path,
                    f"symbols {', '.join(unknown)} are unknown to the reader,"
                    " and its enum has no default",
                )
        elif reader["type"] == "fixed":
            if reader["size"] != writer["size"]:
                yield Clash(path, f"fixed size {writer['size']} cannot be read as {reader['size']}")
        else:
            yield from self._of_fields(reader, writer, path)

    def _of_fields(self, reader: _Node, writer: _Node, path: str) -> Iterator[Clash]:
        pair = (reader["name"], writer["name"])
        if pair in self._under_way:
            return  # a recursive type: the outer call is judging this very pair
        self._under_way.add(pair)
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            names = (field["name"], *field.get("aliases", ()))
            source = next((written[name] for name in names if name in written), None)
            place = f"{path}.{field['name']}"
            if source is not None:
                yield from self.of(field["type"], source["type"], place)
            elif "default" not in field:
                yield Clash(place, "the writer has no such field, and the reader no default for it")
        self._under_way.discard(pair)


def _named(type_: _Type, names: _Names) -> _Type:
    """The definition behind a name; everything else as it is."""
    return names.get(type_, type_) if isinstance(type_, str) else type_


def _node(type_: _Type) -> _Node:
    """`"string"` and `{"type": "string"}` are the same type."""
    if isinstance(type_, list):
        raise TypeError("a union is no single type")
    return {"type": type_} if isinstance(type_, str) else type_


def _same_name(reader: _Node, writer: _Node) -> bool:
    """By the name without its namespace, or by one of the reader's aliases."""
    aliases = {_unqualified(alias) for alias in reader.get("aliases", ())}
    return _unqualified(writer["name"]) in {_unqualified(reader["name"]), *aliases}


def _unqualified(name: str) -> str:
    return name.rpartition(".")[2]


def _label(node: _Node) -> str:
    kind: str = node["type"]
    return f"{kind} {_unqualified(node['name'])}" if kind in _NAMED else kind
