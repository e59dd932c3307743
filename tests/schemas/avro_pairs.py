"""Pairs of Avro schemas that resemble each other, and data that visits every corner of one."""

from __future__ import annotations

from typing import Any, TypeAlias

from hypothesis import strategies as st

Shape: TypeAlias = Any  # an Avro type as JSON; named types are called after their place

_NUMBERS = ("int", "long", "float", "double")
_SINGLE = ("null", "boolean", "string", "bytes", *_NUMBERS)
_FIELD_NAMES = ("a", "b", "c")

# One branch of each group at most, so that a datum tells which branch it belongs to.
_UNION_GROUPS = (("null",), ("boolean",), _NUMBERS, ("string", "enum"), ("bytes", "fixed"))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Shape, Shape]:
    """(reader, writer): records, the reader a changed copy of the writer."""
    writer = _record(draw, "R", depth=2)
    return _changed(draw, writer, "R", depth=2), writer


def witnesses(shape: Shape) -> list[Any]:
    """Data of a type: every branch of its unions and every symbol of its enums at least once."""
    if isinstance(shape, list):
        return [datum for branch in shape for datum in witnesses(branch)]
    kind = shape if isinstance(shape, str) else shape["type"]
    match kind:
        case "enum":
            return list(shape["symbols"])
        case "fixed":
            return [b"x" * shape["size"]]
        case "array":
            return [[datum] for datum in witnesses(shape["items"])]
        case "map":
            return [{"key": datum} for datum in witnesses(shape["values"])]
        case "record":
            return _records(shape)
    plain = {"null": None, "boolean": True, "string": "a", "bytes": b"a", "int": 1, "long": 1}
    return [plain.get(kind, 1.5)]


def _records(shape: Shape) -> list[Any]:
    choices = {field["name"]: witnesses(field["type"]) for field in shape["fields"]}
    first = {name: data[0] for name, data in choices.items()}
    return [first] + [{**first, name: d} for name, data in choices.items() for d in data[1:]]


def _type(draw: st.DrawFn, place: str, depth: int) -> Shape:
    kinds = ["single", "enum", "fixed"]
    if depth:
        kinds += ["array", "map", "record", "union"]
    match draw(st.sampled_from(kinds)):
        case "enum":
            return _enum(draw, place)
        case "fixed":
            return {"type": "fixed", "name": f"F{place}", "size": draw(st.integers(1, 2))}
        case "array":
            return {"type": "array", "items": _type(draw, f"{place}i", depth - 1)}
        case "map":
            return {"type": "map", "values": _type(draw, f"{place}v", depth - 1)}
        case "record":
            return _record(draw, place, depth - 1)
        case "union":
            return _union(draw, place)
    return draw(st.sampled_from(_SINGLE))


def _enum(draw: st.DrawFn, place: str) -> Shape:
    symbols = sorted(draw(st.sets(st.sampled_from("XYZ"), min_size=1)))
    default = {"default": symbols[0]} if draw(st.booleans()) else {}
    return {"type": "enum", "name": f"E{place}", "symbols": symbols, **default}


def _union(draw: st.DrawFn, place: str) -> Shape:
    groups = draw(st.sets(st.sampled_from(_UNION_GROUPS), min_size=1, max_size=3))
    branches: list[Shape] = []
    for group in sorted(groups):
        match draw(st.sampled_from(group)):
            case "enum":
                branches.append(_enum(draw, place))
            case "fixed":
                branches.append({"type": "fixed", "name": f"F{place}", "size": 1})
            case single:
                branches.append(single)
    return branches


def _record(draw: st.DrawFn, place: str, depth: int) -> Shape:
    names = sorted(draw(st.sets(st.sampled_from(_FIELD_NAMES), min_size=1)))
    fields = [{"name": name, "type": _type(draw, f"{place}{name}", depth)} for name in names]
    return {"type": "record", "name": f"R{place}", "fields": fields}


def _changed(draw: st.DrawFn, shape: Shape, place: str, depth: int) -> Shape:
    """Another version: mostly as it was, with a change here and there."""
    if draw(st.integers(0, 7)) == 0:
        return _type(draw, place, depth)
    if isinstance(shape, list):
        return [branch for branch in shape if draw(st.integers(0, 5))] or shape
    kind = shape if isinstance(shape, str) else shape["type"]
    match kind:
        case "array":
            return {**shape, "items": _changed(draw, shape["items"], f"{place}i", depth - 1)}
        case "map":
            return {**shape, "values": _changed(draw, shape["values"], f"{place}v", depth - 1)}
        case "record":
            return {**shape, "fields": _changed_fields(draw, shape["fields"], place, depth)}
        case "int" | "long" | "float":
            return draw(st.sampled_from(_NUMBERS))
        case "string" | "bytes":
            return draw(st.sampled_from(["string", "bytes", ["null", "string"]]))
    return shape


def _changed_fields(draw: st.DrawFn, fields: list[Shape], place: str, depth: int) -> list[Shape]:
    kept = [
        {**field, "type": _changed(draw, field["type"], f"{place}{field['name']}", depth)}
        for field in fields
        if draw(st.integers(0, 5))
    ]
    match draw(st.integers(0, 5)):
        case 0:
            kept.append({"name": "new", "type": "int"})
        case 1:
            kept.append({"name": "new", "type": "int", "default": 0})
        case 2 if kept:
            kept[0] = {**kept[0], "name": "renamed", "aliases": [kept[0]["name"]]}
    return kept
