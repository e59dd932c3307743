"""Body bytes → the checked structs of `producers.json_bodies`. Pure: no I/O, no clock.

Each function returns a body that everything after it may trust: its metas are JSON objects, null or
absent. It raises MalformedBody (not JSON) or InvalidRequest (with the JSON path of each wrong
place), and nothing else, whatever the bytes are. The paths of fields that nobody knows are appended
to `ignored`, if it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from core.errors import FieldError, InvalidRequest, MalformedBody
from core.json_text import OUT_OF_RANGE, deeper_than, is_out_of_range, may_be_deeper
from core.settings import Limits
from producers.field_by_field import check_known, read_object
from producers.half_surrogates import half_surrogates
from producers.json_bodies import (
    EventItem,
    EventsBody,
    MarkBody,
    SearchResultItem,
    SessionBody,
    SortOrder,
)
from producers.validation_errors import Findings

Body = TypeVar("Body", SessionBody, EventsBody, MarkBody)

# As long as all its fields are known and right, a body is decoded in one go.
_SESSION: Final = msgspec.json.Decoder(SessionBody)
_EVENTS: Final = msgspec.json.Decoder(EventsBody)
_MARK: Final = msgspec.json.Decoder(MarkBody)


def parse_session(body: bytes, limits: Limits, ignored: list[str] | None = None) -> SessionBody:
    """The body of POST /session."""
    found = Findings(limits)
    sent = _decode(_SESSION, body, found, ignored)
    found.check_id("$.session_id", sent.session_id)
    found.check_text("$.search_query", sent.search_query)
    if sent.user_id is not None:
        found.check_id("$.user_id", sent.user_id)
    metas = _Metas(found, limits)
    _check_results(sent.search_results, found, metas)
    metas.check("$.search_meta", sent.search_meta)
    metas.check("$.payload_filter", sent.payload_filter)
    metas.check("$.sort_by", sent.sort_by)
    _check_sort_order(sent.sort_by, found)
    found.check_millis("$.created_at", sent.created_at)
    metas.check_all()
    found.raise_if_any()
    return sent


def parse_events(body: bytes, limits: Limits, ignored: list[str] | None = None) -> EventsBody:
    """The body of POST /session/events."""
    found = Findings(limits)
    sent = _decode(_EVENTS, body, found, ignored)
    found.check_id("$.session_id", sent.session_id)
    if not sent.events:
        found.add("$.events", "is empty: send at least one event")
    metas = _Metas(found, limits)
    _check_events(sent.events, found, metas)
    metas.check_all()
    found.raise_if_any()
    return sent


def parse_mark(body: bytes, limits: Limits) -> MarkBody:
    """The body of POST /session/irrelevant."""
    found = Findings(limits)
    sent = _decode(_MARK, body, found, None)
    found.check_id("$.session_id", sent.session_id)
    if {sent.irrelevant, sent.is_irrelevant} == {True, False}:
        found.add("$.is_irrelevant", "says the opposite of irrelevant: send one of them")
    found.raise_if_any()
    return sent


class _Metas:
    """The metas of one body. What most have is looked for in all of them at once."""

    def __init__(self, found: Findings, limits: Limits) -> None:
        self._found = found
        self._limits = limits
        self._places: list[tuple[str, int | None, bytes]] = []

    def check(self, path: str, meta: Raw, index: int | None = None) -> None:
        """Note one; an object, null or absent is right."""
        text = bytes(meta)
        if text[:1] == b"{":
            self._places.append((path, index, text))
        elif text not in (b"", b"null"):
            self._found.add(path, f"expected object | null, got {_kind_of(text)}", index)

    def check_all(self) -> None:
        """Check depth and numbers of those that were noted."""
        if not self._places:
            return
        most = self._limits.nesting
        together = b"".join([text for _, _, text in self._places])
        if may_be_deeper(most, together):
            # Seldom any: lists of a hundred results have many brackets, and few in each meta.
            suspects = [place for place in self._places if may_be_deeper(most, place[2])]
            if not deeper_than(most, b"".join([text for _, _, text in suspects])):
                suspects = []
            for path, index, text in suspects:
                if deeper_than(most, text):
                    self._found.add(path, f"nested deeper than {most} objects and arrays", index)
                if self._found.is_full:
                    break
        if is_out_of_range(together):
            for path, index, text in self._places:
                if is_out_of_range(text):
                    self._found.add(path, OUT_OF_RANGE, index)
                if self._found.is_full:
                    break


def _check_results(results: Sequence[SearchResultItem], found: Findings, metas: _Metas) -> None:
    if found.too_many("$.search_results", len(results)):
        return
    for index, item in enumerate(results):
        found.check_id("$.search_results[{}].object_id", item.object_id, index)
        metas.check("$.search_results[{}].meta", item.meta, index)


def _check_events(events: Sequence[EventItem], found: Findings, metas: _Metas) -> None:
    if found.too_many("$.events", len(events)):
        return
    for index, item in enumerate(events):
        found.check_id("$.events[{}].event_id", item.event_id, index)
        found.check_id("$.events[{}].object_id", item.object_id, index)
        if item.event_type is not None:
            found.check_id("$.events[{}].event_type", item.event_type, index)
        found.check_millis("$.events[{}].created_at", item.created_at, index)
        metas.check("$.events[{}].meta", item.meta, index)


def _check_sort_order(sort_by: Raw, found: Findings) -> None:
    if bytes(sort_by)[:1] == b"{":
        check_known(SortOrder, sort_by, found, "$.sort_by")


def _decode(
    decoder: msgspec.json.Decoder[Body], body: bytes, found: Findings, ignored: list[str] | None
) -> Body:
    try:
        if not body.isascii():
            body.decode()  # msgspec checks the encoding of strings, but not of a Raw
        try:
            return decoder.decode(body)
        except msgspec.ValidationError:
            return read_object(decoder.type, Raw(body), found, [] if ignored is None else ignored)
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise InvalidRequest([FieldError("$", "is nested too deep")]) from None
    except msgspec.DecodeError as error:
        for path in half_surrogates(body):
            found.add(path, "has half of a surrogate pair: half an emoji, perhaps")
            if found.is_full:
                break
        found.raise_if_any()
        raise MalformedBody(f"the body is not valid JSON: {error}") from None


def _kind_of(text: bytes) -> str:
    kinds = {b"[": "array", b'"': "string", b"t": "boolean", b"f": "boolean"}
    return kinds.get(text[:1], "number")
