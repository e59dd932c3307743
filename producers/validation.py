"""Body bytes → validated, frozen requests. Pure: no I/O, no clock.

Each function returns a request that everything after it may trust, or raises MalformedBody (not
JSON) or InvalidRequest (with the JSON path of each wrong place). Nothing else comes out of them,
whatever the bytes are.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from core.errors import FieldError, InvalidRequest, MalformedBody
from core.settings import Limits
from producers.json_bodies import EventsBody, MarkBody, SessionBody
from producers.nesting import deeper_than
from producers.validation_errors import Findings

_DEFAULT_EVENT_TYPE: Final = "click"

Body = TypeVar("Body")


class SearchResult(Struct, frozen=True):
    """One result shown. `meta` is JSON text as sent."""

    object_id: str
    rank: float | None
    meta: str | None


class SessionRequest(Struct, frozen=True):
    """A search. Metas are JSON text as sent; times are milliseconds since the epoch."""

    session_id: str
    search_query: str
    search_results: tuple[SearchResult, ...]
    search_meta: str | None
    payload_filter: str | None
    sort_by: str | None
    user_id: str | None
    created_at: int | None


class Event(Struct, frozen=True):
    """One interaction. `meta` is JSON text as sent."""

    event_id: str
    object_id: str
    event_type: str
    created_at: int | None
    meta: str | None


class EventsRequest(Struct, frozen=True):
    """One or more interactions with one session's results."""

    session_id: str
    events: tuple[Event, ...]


class MarkRequest(Struct, frozen=True):
    """A session declared irrelevant, or relevant again."""

    session_id: str
    is_irrelevant: bool


_SESSION = msgspec.json.Decoder(SessionBody)
_EVENTS = msgspec.json.Decoder(EventsBody)
_MARK = msgspec.json.Decoder(MarkBody)


def parse_session(body: bytes, limits: Limits) -> SessionRequest:
    """The body of POST /session."""
    sent = _decode(_SESSION, body, limits)
    found = Findings(limits)
    found.check_id("$.session_id", sent.session_id)
    found.check_text("$.search_query", sent.search_query)
    if sent.user_id is not None:
        found.check_id("$.user_id", sent.user_id)
    request = SessionRequest(
        session_id=sent.session_id,
        search_query=sent.search_query,
        search_results=_results(sent, found),
        search_meta=found.json_object("$.search_meta", sent.search_meta),
        payload_filter=found.json_object("$.payload_filter", sent.payload_filter),
        sort_by=found.json_object("$.sort_by", sent.sort_by),
        user_id=sent.user_id,
        created_at=found.millis("$.created_at", sent.created_at),
    )
    found.raise_if_any()
    return request


def parse_events(body: bytes, limits: Limits) -> EventsRequest:
    """The body of POST /session/events."""
    sent = _decode(_EVENTS, body, limits)
    found = Findings(limits)
    found.check_id("$.session_id", sent.session_id)
    if not sent.events:
        found.add("$.events", "is empty: send at least one event")
    request = EventsRequest(sent.session_id, _events(sent, found))
    found.raise_if_any()
    return request


def parse_mark(body: bytes, limits: Limits) -> MarkRequest:
    """The body of POST /session/irrelevant."""
    sent = _decode(_MARK, body, limits)
    found = Findings(limits)
    found.check_id("$.session_id", sent.session_id)
    found.raise_if_any()
    return MarkRequest(sent.session_id, sent.irrelevant is not False)


def _results(sent: SessionBody, found: Findings) -> tuple[SearchResult, ...]:
    if found.too_many("$.search_results", len(sent.search_results)):
        return ()
    most = found.id_chars
    results = []
    for index, item in enumerate(sent.search_results):
        object_id = item.object_id
        if not 0 < len(object_id) <= most:  # a call less for each result that is right
            found.check_id("$.search_results[{}].object_id", object_id, index)
        meta = found.json_object("$.search_results[{}].meta", item.meta, index)
        results.append(SearchResult(object_id, item.rank, meta))
    return tuple(results)


def _events(sent: EventsBody, found: Findings) -> tuple[Event, ...]:
    if found.too_many("$.events", len(sent.events)):
        return ()
    events = []
    for index, item in enumerate(sent.events):
        event_type = _DEFAULT_EVENT_TYPE if item.event_type is None else item.event_type
        found.check_id("$.events[{}].event_id", item.event_id, index)
        found.check_id("$.events[{}].object_id", item.object_id, index)
        found.check_id("$.events[{}].event_type", event_type, index)
        created_at = found.millis("$.events[{}].created_at", item.created_at, index)
        meta = found.json_object("$.events[{}].meta", item.meta, index)
        events.append(Event(item.event_id, item.object_id, event_type, created_at, meta))
    return tuple(events)


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
