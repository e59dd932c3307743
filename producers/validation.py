"""Body bytes → the checked structs of `producers.json_bodies`. Pure: no I/O, no clock.

Each function returns a body that everything after it may trust: its metas are JSON objects, null or
absent. It raises MalformedBody (not JSON) or InvalidRequest (with the JSON path of each wrong
place), and nothing else, whatever the bytes are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from core.errors import FieldError, InvalidRequest, MalformedBody
from core.settings import Limits
from producers.json_bodies import EventItem, EventsBody, MarkBody, SearchResultItem, SessionBody
from producers.nesting import deeper_than
from producers.validation_errors import Findings

Body = TypeVar("Body")


_SESSION = msgspec.json.Decoder(SessionBody)
_EVENTS = msgspec.json.Decoder(EventsBody)
_MARK = msgspec.json.Decoder(MarkBody)


def parse_session(body: bytes, limits: Limits) -> SessionBody:
    """The body of POST /session."""
    sent = _decode(_SESSION, body, limits)
    found = Findings(limits)
    found.check_id("$.session_id", sent.session_id)
    found.check_text("$.search_query", sent.search_query)
    if sent.user_id is not None:
        found.check_id("$.user_id", sent.user_id)
    _check_results(sent.search_results, found)
    found.check_object("$.search_meta", sent.search_meta)
    found.check_object("$.payload_filter", sent.payload_filter)
    found.check_object("$.sort_by", sent.sort_by)
    found.check_millis("$.created_at", sent.created_at)
    found.raise_if_any()
    return sent


def parse_events(body: bytes, limits: Limits) -> EventsBody:
    """The body of POST /session/events."""
    sent = _decode(_EVENTS, body, limits)
    found = Findings(limits)
    found.check_id("$.session_id", sent.session_id)
    if not sent.events:
        found.add("$.events", "is empty: send at least one event")
    _check_events(sent.events, found)
    found.raise_if_any()
    return sent


def parse_mark(body: bytes, limits: Limits) -> MarkBody:
    """The body of POST /session/irrelevant."""
    sent = _decode(_MARK, body, limits)
    found = Findings(limits)
    found.check_id("$.session_id", sent.session_id)
    found.raise_if_any()
    return sent


def _check_results(results: Sequence[SearchResultItem], found: Findings) -> None:
    if found.too_many("$.search_results", len(results)):
        return
    most = found.id_chars
    for index, item in enumerate(results):
        # Two calls less for each result that is right.
        if not 0 < len(item.object_id) <= most:
            found.check_id("$.search_results[{}].object_id", item.object_id, index)
        if bytes(item.meta)[:1] != b"{":
            found.check_object("$.search_results[{}].meta", item.meta, index)


def _check_events(events: Sequence[EventItem], found: Findings) -> None:
    if found.too_many("$.events", len(events)):
        return
    for index, item in enumerate(events):
        found.check_id("$.events[{}].event_id", item.event_id, index)
        found.check_id("$.events[{}].object_id", item.object_id, index)
        if item.event_type is not None:
            found.check_id("$.events[{}].event_type", item.event_type, index)
        found.check_millis("$.events[{}].created_at", item.created_at, index)
        found.check_object("$.events[{}].meta", item.meta, index)


def _decode(decoder: msgspec.json.Decoder[Body], body: bytes, limits: Limits) -> Body:
    if deeper_than(limits.nesting, body):
        raise _too_deep(limits)
    try:
        if not body.isascii():
            body.decode()  # msgspec checks the encoding of strings, but not of a Raw
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise _too_deep(limits) from None
    except msgspec.ValidationError as error:
        raise InvalidRequest([_wrong_type(str(error))]) from None
    except msgspec.DecodeError as error:
        raise MalformedBody(f"the body is not valid JSON: {error}") from None


def _too_deep(limits: Limits) -> InvalidRequest:
    message = f"nested deeper than {limits.nesting} objects and arrays"
    return InvalidRequest([FieldError("$", message)])


# msgspec's sentences: "Expected `str`, got `int` - at `$.session_id`" and "Object missing required
# field `object_id` - at `$.search_results[1]`".
_WHERE: Final = re.compile(r" - at `(?P<path>[^`]*)`$")
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_TYPE_NAMES: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_TYPE: Final = re.compile(r"\b(?:str|int|float|bool)\b")


def _wrong_type(sentence: str) -> FieldError:
    where = _WHERE.search(sentence)
    path = where["path"] if where else "$"
    what = sentence[: where.start()] if where else sentence
    if missing := _MISSING.fullmatch(what):
        return FieldError(f"{path}.{missing['name']}", "is missing")
    plain = _TYPE.sub(lambda match: _TYPE_NAMES[match[0]], what).replace("`", "")
    return FieldError(path, plain[:1].lower() + plain[1:])
