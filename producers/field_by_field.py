"""A body read field by field: for one in which something is unknown or of the wrong type.

msgspec stops at the first wrong place. Here all are found, and unknown fields are told apart: one
that was meant to be a field of ours is refused, because leaving that one out has a meaning; others
are ignored, and listed in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from producers.json_bodies import EventItem, MarkBody, SearchResultItem
from producers.validation_errors import Findings

Shape = TypeVar("Shape", bound=Struct)

# Names by which other collectors know our fields, without their punctuation.
_SPELLINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("type", "kind", "eventname"), "event_type"),
    **dict.fromkeys(
        ("created", "timestamp", "time", "ts", "date", "datetime", "eventtime", "occurredat"),
        "created_at",
    ),
    **dict.fromkeys(("user", "uid"), "user_id"),
    "id": "event_id",
    "metadata": "meta",
    "query": "search_query",
    "results": "search_results",
}
_SIMILAR: Final = 0.8
_PUNCTUATION: Final = re.compile(r"[^a-z0-9]")

_LISTS: Final[Mapping[str, type[Struct]]] = {
    "search_results": SearchResultItem,
    "events": EventItem,
}

# Each is compared with ours, and listed.
_MOST_IGNORED: Final = 100
_LONGEST_NAME: Final = 64

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ARRAY: Final = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class _Field:
    decoder: msgspec.json.Decoder[Any]
    items: type[Struct] | None
    is_required: bool
    stand_in: Any  # in the place of what is wrong or missing


def read_object(
    shape: type[Shape],
    text: Raw,
    found: Findings,
    ignored: list[str],
    path: str = "$",
    kind: str = "$",
) -> Shape:
    """The struct. What is wrong of it is in `found`, and something that is right in its place: so
    the values beside it can be checked, and are listed as well.

    `kind` is the path without indexes. Raises msgspec.DecodeError for what is not JSON.
    """
    try:
        sent = _OBJECT.decode(text)
    except msgspec.ValidationError as error:
        found.add(*wrong_type(path, str(error)))
        return _stand_in(shape)
    fields = _fields_of(shape)
    absent = frozenset(fields.keys() - sent.keys())
    for name in sent.keys() - fields.keys():
        if found.is_full:
            return _stand_in(shape)
        meant = _meant(name, absent)
        if meant is not None or shape is MarkBody:
            hint = f": did you mean {meant}?" if meant else f": there are {', '.join(fields)}"
            found.add(f"{path}.{plain_name(name)}", f"is not known{hint}")
        elif (place := f"{kind}.{plain_name(name)}") not in ignored:
            if len(ignored) == _MOST_IGNORED:
                found.add(path, f"there are more than {_MOST_IGNORED} fields that are not known")
                return _stand_in(shape)
            ignored.append(place)
    return shape(**_read_known(shape, sent, found, ignored, path))


def check_known(shape: type[Struct], text: Raw, found: Findings, path: str) -> None:
    """Find what is wrong of the fields that an object must or may have; others are not looked at.
    The text is a JSON object."""
    _read_known(shape, _OBJECT.decode(text), found, [], path)


def _read_known(
    shape: type[Struct],
    sent: Mapping[str, Raw],
    found: Findings,
    ignored: list[str],
    path: str,
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, field in _fields_of(shape).items():
        place = f"{path}.{name}"
        if name in sent:
            values[name] = _read_field(field, sent[name], found, ignored, place)
        elif field.is_required:
            found.add(place, "is missing")
            values[name] = field.stand_in
    return values


# msgspec's sentences: "Expected `str`, got `int` - at `$.session_id`" and "Object missing required
# field `object_id` - at `$.search_results[1]`".
_WHERE: Final = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_TYPE_NAMES: Final = {
    **{"str": "string", "int": "integer", "float": "number", "bool": "boolean"},
    **{"dict": "object", "list": "array"},
}
_TYPE: Final = re.compile(r"\b(?:str|int|float|bool|dict|list)\b")


def wrong_type(path: str, sentence: str) -> tuple[str, str]:
    """Path and message of what msgspec says of the value at `path`."""
    where = _WHERE.search(sentence)
    place = path + (where["path"] if where else "")
    what = sentence[: where.start()] if where else sentence
    if missing := _MISSING.fullmatch(what):
        return f"{place}.{missing['name']}", "is missing"
    plain = _TYPE.sub(lambda match: _TYPE_NAMES[match[0]], what).replace("`", "")
    return place, plain[:1].lower() + plain[1:]


def _read_field(field: _Field, text: Raw, found: Findings, ignored: list[str], path: str) -> Any:
    try:
        if field.items is None:
            return field.decoder.decode(text)
        items = _ARRAY.decode(text)
    except msgspec.ValidationError as error:
        found.add(*wrong_type(path, str(error)))
        return field.stand_in
    if found.too_many(path, len(items)):
        return field.stand_in
    read = []
    for index, item in enumerate(items):
        read.append(read_object(field.items, item, found, ignored, f"{path}[{index}]", f"{path}[]"))
        if found.is_full:
            break
    return read


@cache
def _fields_of(shape: type[Struct]) -> Mapping[str, _Field]:
    return {field.encode_name: _field_of(field) for field in msgspec.structs.fields(shape)}


def _field_of(field: msgspec.structs.FieldInfo) -> _Field:
    items = _LISTS.get(field.encode_name)
    if items is not None:
        stand_in: Any = [_stand_in(items)]
    elif field.required:
        stand_in = "-"  # all of them are texts
    elif field.default_factory is msgspec.NODEFAULT:
        stand_in = field.default
    else:
        stand_in = field.default_factory()
    return _Field(msgspec.json.Decoder(field.type), items, field.required, stand_in)


def _stand_in(shape: type[Shape]) -> Shape:
    fields = _fields_of(shape)
    return shape(**{name: field.stand_in for name, field in fields.items() if field.is_required})


@lru_cache(4_096)
def _meant(name: str, absent: frozenset[str]) -> str | None:
    """The absent field of ours that this name was meant to be."""
    bare = _PUNCTUATION.sub("", name[:_LONGEST_NAME].lower())
    if (known := _SPELLINGS.get(bare)) in absent:
        return known
    ours = {_PUNCTUATION.sub("", field): field for field in absent}
    (nearest,) = get_close_matches(bare, ours, 1, _SIMILAR) or (None,)
    return None if nearest is None else ours[nearest]


def plain_name(name: str) -> str:
    """As it is written in a path."""
    return name[:_LONGEST_NAME].replace("{", "(").replace("}", ")")
