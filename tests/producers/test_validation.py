from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidRequest, MalformedBody, RequestRefused
from core.json_text import deeper_than, is_out_of_range
from core.settings import Limits
from producers.json_bodies import EventsBody, MarkBody, SessionBody
from producers.records import event_records, mark_record, session_record
from producers.validation import parse_events, parse_mark, parse_session
from tests.producers.bodies import UNHURRIED, encoded, event, events, session

LIMITS = Limits()
RECEIVED = 1_800_000_000_000

Parse = Callable[[bytes, Limits], SessionBody | EventsBody | MarkBody]
PARSERS: list[Parse] = [parse_session, parse_events, parse_mark]


def errors_of(parse: Parse, body: Any, limits: Limits = LIMITS) -> dict[str, str]:
    """Path → message of what is refused."""
    with pytest.raises(InvalidRequest) as refused:
        parse(body if isinstance(body, bytes) else encoded(body), limits)
    return {error.path: error.message for error in refused.value.errors}


def test_full_session_is_taken_as_sent() -> None:
    body = b"""{
        "session_id": "s-1", "search_query": "lamp", "user_id": "u-1",
        "search_results": [
            {"object_id": "a", "rank": 1, "meta": {"b": 1, "a": 1.0}},
            {"object_id": "b", "rank": null},
            {"object_id": "c", "rank": -0.5, "meta": null}
        ],
        "search_meta": {"latency_ms":   450}, "payload_filter": {},
        "sort_by": {"x": [1e2], "field": "f"},
        "created_at": 1701012345678
    }"""
    assert session_record(parse_session(body, LIMITS), RECEIVED) == {
        "session_id": "s-1",
        "search_query": "lamp",
        "search_results": [
            {"object_id": "a", "rank": 1.0, "meta": '{"b":1,"a":1.0}'},
            {"object_id": "b", "rank": None, "meta": None},
            {"object_id": "c", "rank": -0.5, "meta": None},
        ],
        "search_meta": '{"latency_ms":450}',
        "payload_filter": "{}",
        "sort_by": '{"x":[1e2],"field":"f"}',
        "user_id": "u-1",
        "created_at": 1701012345678,
        "received_at": RECEIVED,
    }


def test_absent_and_null_optional_fields_are_the_same() -> None:
    names = ("search_meta", "payload_filter", "sort_by", "user_id", "created_at")
    nulls = session_record(
        parse_session(encoded(session(**dict.fromkeys(names))), LIMITS), RECEIVED
    )
    assert nulls == session_record(parse_session(encoded(session()), LIMITS), RECEIVED)
    assert [nulls[name] for name in names] == [None, None, None, None, RECEIVED]


def test_absent_event_fields_have_their_defaults() -> None:
    nulls = event(event_id="e-2", event_type=None, created_at=None, meta=None)
    records = event_records(parse_events(encoded(events(event(), nulls)), LIMITS), RECEIVED)
    defaults = {"event_type": "click", "created_at": RECEIVED, "meta": None}
    same = {"session_id": "s-1", "object_id": "o-1", "received_at": RECEIVED, **defaults}
    assert records == [{"event_id": "e-1", **same}, {"event_id": "e-2", **same}]


@pytest.mark.parametrize(
    ("sent", "is_irrelevant"), [({}, True), (None, True), (True, True), (False, False)]
)
def test_a_mark_is_irrelevant_unless_it_takes_itself_back(sent: Any, is_irrelevant: bool) -> None:
    body = {"session_id": "s-1"} | ({} if sent == {} else {"irrelevant": sent})
    record = mark_record(parse_mark(encoded(body), LIMITS), None, RECEIVED)
    assert record["is_irrelevant"] == is_irrelevant


def test_search_without_results_is_welcome() -> None:
    assert parse_session(encoded(session(search_results=[])), LIMITS).search_results == []


def test_empty_list_of_events_is_refused() -> None:
    assert errors_of(parse_events, events()) == {"$.events": "is empty: send at least one event"}


def test_unknown_fields_are_ignored_and_listed() -> None:
    ignored: list[str] = []
    results = [{"object_id": "a", "price": 1}, {"object_id": "b", "price": 2, "meta": {"x": 1}}]
    body = session(is_irrelevant=True, search_results=results, extra={"deep": [{}]})
    sent = parse_session(encoded(body), LIMITS, ignored)
    assert sorted(ignored) == ["$.extra", "$.is_irrelevant", "$.search_results[].price"]
    for result in results:
        result.pop("price")
    assert sent == parse_session(encoded(session(search_results=results)), LIMITS)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *[("type", "event_type"), ("eventType", "event_type"), ("event-type", "event_type")],
        *[("timestamp", "created_at"), ("createdAt", "created_at"), ("create_at", "created_at")],
        *[("metadata", "meta"), ("Meta", "meta")],
    ],
)
def test_a_misspelt_field_of_an_event_is_refused_with_its_name(name: str, meant: str) -> None:
    found = errors_of(parse_events, events(event(), event(**{name: None})))
    assert found == {f"$.events[1].{name}": f"is not known: did you mean {meant}?"}


@pytest.mark.parametrize("name", ["userId", "userid", "user-id", "User_ID", "user"])
def test_a_misspelt_field_of_a_session_is_refused_with_its_name(name: str) -> None:
    found = errors_of(parse_session, session(**{name: "u"}))
    assert found == {f"$.{name}": "is not known: did you mean user_id?"}


def test_a_field_beside_the_one_that_it_resembles_is_ignored() -> None:
    ignored: list[str] = []
    sent = events(event(created_at=1_701_012_345_678, timestamp="x"))
    parse_events(encoded(sent), LIMITS, ignored)
    assert ignored == ["$.events[].timestamp"]


@pytest.mark.parametrize("name", ["relevant", "isIrrelevant", "x"])
def test_a_mark_has_no_unknown_field(name: str) -> None:
    found = errors_of(parse_mark, {"session_id": "s-1", name: False})
    assert list(found) == [f"$.{name}"]


def test_a_mark_is_taken_back_by_either_name_but_not_by_both_at_odds() -> None:
    sent = {"session_id": "s-1", "is_irrelevant": False}
    assert not mark_record(parse_mark(encoded(sent), LIMITS), None, RECEIVED)["is_irrelevant"]
    assert list(errors_of(parse_mark, {**sent, "irrelevant": True})) == ["$.is_irrelevant"]


@pytest.mark.parametrize(
    ("sort_by", "place"),
    [
        ({}, ".field"),
        ({"field": 1}, ".field"),
        ({"field": "a", "order": "up"}, ".order"),
        ({"field": "a", "order": 1}, ".order"),
    ],
)
def test_sort_by_has_a_field_and_an_order(sort_by: Any, place: str) -> None:
    assert list(errors_of(parse_session, session(sort_by=sort_by))) == [f"$.sort_by{place}"]


@pytest.mark.parametrize("order", ["asc", "desc", None])
def test_sort_by_may_have_more(order: str | None) -> None:
    sent = session(sort_by={"field": "a", "order": order, "more": [1]})
    parse_session(encoded(sent), LIMITS)


def test_all_values_of_a_wrong_type_are_named_at_once() -> None:
    results = [{"object_id": 1}, {"rank": "x", "object_id": "b"}, 3, {}]
    found = errors_of(parse_session, session(session_id=1, search_results=results, userId="u"))
    assert set(found) == {
        *("$.session_id", "$.userId", "$.search_results[0].object_id"),
        *("$.search_results[1].rank", "$.search_results[2]", "$.search_results[3].object_id"),
    }


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\u00a0", "\u3000", "\u2028 "])
def test_blank_ids_are_refused(blank: str) -> None:
    assert list(errors_of(parse_session, session(session_id=blank, user_id=blank))) == [
        "$.session_id",
        "$.user_id",
    ]


@pytest.mark.parametrize("number", ["1e999", "-1e309", "18446744073709551616", "9" * 5_000])
@pytest.mark.parametrize("at", ["search_meta", "results"])
def test_numbers_that_readers_cannot_hold_are_refused(number: str, at: str) -> None:
    meta = '{"s": "1e999", "n": [' + number + "]}"
    body = json.dumps(session(search_meta=0, search_results=[{"object_id": "a", "meta": 0}] * 2))
    mark = '"search_meta": 0' if at == "search_meta" else '"meta": 0'
    sent = body.replace(mark, mark[:-1] + meta).replace(": 0", ": null")
    results = [f"$.search_results[{n}].meta" for n in range(2)]
    places = {"search_meta": ["$.search_meta"], "results": results}[at]
    assert list(errors_of(parse_session, sent.encode())) == places


@pytest.mark.parametrize("rank", [True, "1", [1], {}])
def test_rank_is_a_number_or_null(rank: Any) -> None:
    found = errors_of(
        parse_session,
        session(search_results=[{"object_id": "a"}, {"object_id": "b", "rank": rank}]),
    )
    assert list(found) == ["$.search_results[1].rank"]


@pytest.mark.parametrize("name", ["search_meta", "payload_filter", "sort_by"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [([], "array"), ("x", "string"), (1, "number"), (-1.5, "number"), (True, "boolean")],
)
def test_metadata_must_be_an_object(name: str, value: Any, kind: str) -> None:
    found = errors_of(parse_session, session(**{name: value}))
    assert found == {f"$.{name}": f"expected object | null, got {kind}"}


def test_every_wrong_place_is_listed() -> None:
    found = errors_of(
        parse_session,
        session(
            session_id="",
            user_id="",
            created_at=-1,
            sort_by=[],
            search_results=[{"object_id": "", "meta": 1}, {"object_id": "a"}, {"object_id": ""}],
        ),
    )
    assert set(found) == {
        "$.session_id",
        "$.user_id",
        "$.created_at",
        "$.sort_by",
        "$.search_results[0].object_id",
        "$.search_results[0].meta",
        "$.search_results[2].object_id",
    }


def test_the_list_of_wrong_places_is_bounded() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_events(encoded(events(*[event(event_id="")] * 5_000)), LIMITS)
    assert len(refused.value.errors) == 101
    assert refused.value.errors[-1].message == "more than these 100 places are wrong"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("$.session_id", {"search_query": "q", "search_results": []}),
        ("$.search_query", {"session_id": "s", "search_results": []}),
        ("$.search_results", {"session_id": "s", "search_query": "q"}),
        ("$.search_results[0].object_id", session(search_results=[{}])),
    ],
)
def test_missing_field_is_named(path: str, body: Any) -> None:
    assert errors_of(parse_session, body) == {path: "is missing"}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("$", [], "expected object, got array"),
        ("$.session_id", session(session_id=7), "expected string, got integer"),
        ("$.search_query", session(search_query=None), "expected string, got null"),
        ("$.search_results", session(search_results={}), "expected array, got object"),
        ("$.created_at", session(created_at="now"), "expected integer | null, got string"),
        ("$.created_at", session(created_at=1.5e12), "expected integer | null, got number"),
        ("$.created_at", session(created_at=True), "expected integer | null, got boolean"),
    ],
)
def test_wrong_type_is_told_in_the_words_of_json(path: str, body: Any, message: str) -> None:
    assert errors_of(parse_session, body) == {path: message}


@pytest.mark.parametrize(
    ("sent", "unit"),
    [
        (1701012345, "seconds"),
        (1701012345678901, "microseconds"),
        (1701012345678901234, "nanoseconds"),
    ],
)
def test_time_in_another_unit_is_refused_by_its_name(sent: int, unit: str) -> None:
    found = errors_of(parse_events, events(event(created_at=sent)))
    assert f"looks like {unit}" in found["$.events[0].created_at"]


@pytest.mark.parametrize("sent", [0, -1, 10**20, 10**4000, 10**13, 10**11 - 1])
def test_time_that_cannot_be_one_is_refused(sent: int) -> None:
    found = errors_of(
        parse_session, encoded(session()).replace(b"[]", b'[], "created_at": %d' % sent)
    )
    assert len(found["$.created_at"]) < 200


@pytest.mark.parametrize("sent", [10**11, 1701012345678, 10**13 - 1])
def test_times_from_1973_to_2286_are_taken(sent: int) -> None:
    assert parse_session(encoded(session(created_at=sent)), LIMITS).created_at == sent


@pytest.mark.parametrize("unit", [1, 10**6, 10**9])
@UNHURRIED
@given(ms=st.integers(10**11, 10**13 - 1))
def test_no_time_in_another_unit_passes_for_milliseconds(unit: int, ms: int) -> None:
    body = encoded(session(created_at=ms * unit // 1000))
    with pytest.raises(InvalidRequest):
        parse_session(body, LIMITS)


def test_limits_say_which_and_how_much() -> None:
    limits = Limits(items=2, id_bytes=3, nesting=4)
    long = session(session_id="four", search_results=[{"object_id": "a"}] * 3)
    assert errors_of(parse_session, long, limits) == {
        "$.session_id": "has 4 bytes, at most 3",
        "$.search_results": "has 3 items, at most 2 fit in a request",
    }
    deep = session(session_id="s", search_meta={"2": {"3": {"4": {"5": {"x": "["}}}}})
    assert errors_of(parse_session, deep, limits) == {
        "$.search_meta": "nested deeper than 4 objects and arrays"
    }


def test_nesting_beyond_what_the_decoder_can_do_is_refused_whatever_the_limit() -> None:
    deep = b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    found = errors_of(parse_session, deep, Limits(nesting=100_000))
    assert list(found) == ["$"]


def test_ordinary_metas_are_not_searched_for_depth_however_many_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The search costs more than all else of reading a list of forty results."""
    meta = {"source": "a", "tags": ["b", "c"]}
    results = [{"object_id": f"o-{index}", "meta": meta} for index in range(500)]
    searched: list[bytes] = []

    def search(limit: int, text: bytes) -> bool:
        searched.append(text)
        return deeper_than(limit, text)

    monkeypatch.setattr("producers.validation.deeper_than", search)
    parse_session(encoded(session(search_results=results)), LIMITS)
    assert not any(searched)
    many = {"all": [[]] * 70}
    deep = json.loads("[" * 70 + "]" * 70)
    results[7] = {"object_id": "many", "meta": many}
    parse_session(encoded(session(search_results=results)), LIMITS)
    assert searched == [b"", encoded(many)]
    results[9] = {"object_id": "deep", "meta": {"deep": deep}}
    assert list(errors_of(parse_session, session(search_results=results))) == [
        "$.search_results[9].meta"
    ]


def test_ids_are_measured_in_bytes() -> None:
    wide = "𝒳" * 128  # four bytes of UTF-8 each
    assert parse_mark(encoded({"session_id": wide}), LIMITS).session_id == wide
    found = errors_of(parse_mark, {"session_id": wide + "x"})
    assert found == {"$.session_id": "has 513 bytes, at most 512"}


def test_the_old_name_of_a_limit_is_refused_with_the_new_one() -> None:
    with pytest.raises(ValueError, match="id_bytes"):
        Limits.model_validate({"id_chars": 100})


def test_nul_and_unicode_come_through_exactly() -> None:
    text = '{"session_id": "a\\u0000b é", "events": [{"event_id": "\\u20ac", "object_id": "𝒳"}]}'
    request = parse_events(text.encode(), LIMITS)
    assert (request.session_id, request.events[0].event_id) == ("a\x00b é", "€")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        encoded(session()) + b" trailing",
        b'{"session_id": "\xff"}',
        b'{"sort_by": {"a": "\xff"},' + encoded(session())[1:],
        b'{"sort_by": {"a": NaN},' + encoded(session())[1:],
        b'{"sort_by": {"a": 01},' + encoded(session())[1:],
    ],
)
def test_bytes_that_are_not_json_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        parse_session(body, LIMITS)


@pytest.mark.parametrize("half", ["\ud83d", "\ude00 ", "\ude00\ud83d", "x\ud83dx"])
def test_half_of_an_emoji_is_named(half: str) -> None:
    """A page that cuts texts by UTF-16 units makes one, in one event of a hundred."""
    whole = event(meta={"t": "\U0001f600"})
    cut = event(object_id=half, meta={"{t}": [1, {"u": half}], half: 1})
    assert list(errors_of(parse_events, encoded(events(whole, whole, cut)))) == [
        "$.events[2].object_id",
        "$.events[2].meta",
        "$.events[2].meta.(t)[1].u",
    ]
    assert list(errors_of(parse_session, encoded(session(search_query=half)))) == ["$.search_query"]


def test_a_body_with_half_an_emoji_that_is_no_json_either_is_malformed() -> None:
    for body in (b'{"a": "\\ud83d"', b'["\\ud83d",' + b"[" * 100_000):
        with pytest.raises(RequestRefused):
            parse_session(body, LIMITS)


# What can be wrong with each field of an event: of its type, of its value, or that it is missing.
_MISTAKES: dict[str, list[Any]] = {
    "event_id": [..., "", 7, None, "x" * 600],
    "object_id": [..., " ", [], None],
    "event_type": ["", 1, {}],
    "created_at": [5, "today", True, 1.5],
    "meta": [7, "{}", [1], {"deep": [[[[[]]]]]}, {"n": 2**65}],
}


@UNHURRIED
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(list(_MISTAKES)), st.integers(0, 4), max_size=len(_MISTAKES)
        ),
        min_size=1,
        max_size=8,
    ),
    st.booleans(),
)
def test_all_wrong_places_of_a_body_are_named_at_once(
    spoilt: list[dict[str, int]], is_id_wrong: bool
) -> None:
    body = events(*(event() for _ in spoilt))
    expected = set()
    if is_id_wrong:
        body["session_id"] = ""
        expected.add("$.session_id")
    for index, mistakes in enumerate(spoilt):
        for name, which in mistakes.items():
            some = _MISTAKES[name]
            wrong = some[which % len(some)]
            if wrong is ...:
                del body["events"][index][name]
            else:
                body["events"][index][name] = wrong
            expected.add(f"$.events[{index}].{name}")
    limits = Limits(nesting=4)
    if expected:
        assert set(errors_of(parse_events, body, limits)) == expected
    else:
        parse_events(encoded(body), limits)


def test_all_wrong_places_of_a_session_are_named_at_once() -> None:
    body = session(
        session_id="",
        search_query=5,
        search_results=[{"object_id": ""}, 7, {"rank": "1"}],
        sort_by={"field": 3, "order": "up"},
        created_at="x",
    )
    assert set(errors_of(parse_session, body)) == {
        *("$.session_id", "$.search_query", "$.created_at", "$.sort_by.field", "$.sort_by.order"),
        *("$.search_results[0].object_id", "$.search_results[1]"),
        *("$.search_results[2].object_id", "$.search_results[2].rank"),
    }


@pytest.mark.parametrize("parse", PARSERS)
@UNHURRIED
@given(body=st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused(parse: Parse, body: bytes) -> None:
    with suppress(RequestRefused):
        parse(body, LIMITS)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
_FIELDS = [
    *("session_id", "search_query", "search_results", "search_meta", "payload_filter", "sort_by"),
    *("user_id", "created_at", "events", "irrelevant", "event_id", "object_id", "meta", "rank"),
]
_BODIES = st.dictionaries(
    st.sampled_from(_FIELDS),
    _JSON | st.lists(st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=4), max_size=3),
)


@pytest.mark.parametrize("parse", PARSERS)
@UNHURRIED
@given(body=_BODIES)
def test_any_json_is_taken_or_refused(parse: Parse, body: dict[str, Any]) -> None:
    with suppress(RequestRefused):
        request = parse(json.dumps(body).encode(), LIMITS)
        assert 1 <= len(request.session_id.encode()) <= LIMITS.id_bytes


@UNHURRIED
@given(meta=st.dictionaries(st.text(max_size=9), _JSON, max_size=5), ascii_only=st.booleans())
def test_metadata_is_the_text_that_was_sent_without_white_space(
    meta: dict[str, Any], ascii_only: bool
) -> None:
    text = json.dumps(meta, ensure_ascii=ascii_only)
    if is_out_of_range(text.encode()):
        return
    body = (
        f'{{"session_id": "s", "events": [{{"event_id": "e", "object_id": "o", "meta":{text} }}]}}'
    )
    (record,) = event_records(parse_events(body.encode(), LIMITS), RECEIVED)
    assert record["meta"] == json.dumps(meta, ensure_ascii=ascii_only, separators=(",", ":"))
