"""Nobody gets in: on the real processes, with keys set, whatever is sent."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from core.http.app import PREFIX
from core.http.keys import declaration
from tests.conftest import Corner
from tests.e2e.process_pair import ProcessPair
from tests.faults.lab.plan import LONG

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]

WRITE, READ, ADMIN = "cs_write_table-of-access", "cs_read_table-of-access", "cs_admin_table-of-it"
EVENTS = "cs_events_clicks-of-the-shop"
EXPIRED, PAGES = "cs_write_expired-long-ago", "cs_write_pages-of-the-shop"
SHOP = "https://shop.example"
SECRET = "what-only-readers-may-see"

# Open: orchestrators send no key, and these say nothing of what is stored.
OPEN_PATHS = {"/livez", "/readyz", "/openapi.json"}
OPEN = re.compile(r"/(livez|readyz|openapi\.json|docs(/.*)?)")

INJECTIONS = [
    "'; DROP TABLE sessions; --",
    "' OR '1'='1",
    "') UNION ALL SELECT * FROM sessions --",
    '"; SELECT 1; --',
    "1); DROP TABLE events",
    "\\'; SELECT sleep(3); --",
    "{session_id:String}",
    "%(session_id)s %s {0} ${x} {{x}}",
    "`id` $(id) | id; id && id",
    "a\r\nX-Injected: yes\r\n\r\nHTTP/1.1 200 OK",
    "../../../etc/passwd",
    "<script>alert(1)</script>",
    "\x00",
    "a\x00b",
    "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "\u2028\u2029\ufeff\u202e\u0000",
    "é e\u0301 ﬁ \U0001f9a6 \U0010ffff \ufffe",
    "\\N",
    "NULL",
    "\t tab and spaces  ",
]


@pytest.fixture(scope="module")
def pair(corner: Corner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessPair]:
    write = (
        WRITE,
        f"{EVENTS};rights=events",
        f"{EXPIRED};expires=2020-01-31",
        f"{PAGES};origins={SHOP}",
    )
    keys = {
        "write_keys": tuple(SecretStr(key) for key in write),
        "read_keys": (SecretStr(declaration(READ, {"name": "reader"})),),
        "admin_keys": (SecretStr(ADMIN),),
    }
    folder = tmp_path_factory.mktemp("table")
    with CLIENT, corner(**keys) as settings, ProcessPair(settings, folder) as running:
        body = {"session_id": SECRET, "search_query": SECRET, "search_results": []}
        assert running.post("/session", body).status_code == 200
        running.catch_up()
        yield running


# One for all: making one costs more than a request. It sends no key by itself.
CLIENT = httpx.Client(timeout=60)


def ask(pair: ProcessPair, method: str, path: str, key: str | None, **more: Any) -> httpx.Response:
    """One request; what is answered never shows what only readers may see."""
    headers = {**({"X-API-Key": key} if key else {}), **more.pop("headers", {})}
    answer = CLIENT.request(method, pair.url + path, headers=headers, **more)
    assert "x-injected" not in answer.headers
    if key not in (READ, ADMIN):
        assert SECRET not in answer.text
    return answer


def operations(pair: ProcessPair) -> list[tuple[str, str]]:
    """Every method and path of the document, also under the old prefix."""
    paths = ask(pair, "GET", "/openapi.json", None).json()["paths"]
    found = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert len(found) >= 10
    with_prefix = [(method, PREFIX + path) for method, path in found if path not in OPEN_PATHS]
    return [*found, *(each for each in with_prefix if each[1] != f"{PREFIX}/metrics")]


def address(path: str) -> str:
    """What to ask for at this path; what would not end, ends soon."""
    path = path.format(user_id="u", name="n", file="f")
    return f"{path}?seconds=1" if path.endswith("/events/tail") else path


def test_a_key_for_events_posts_events_and_learns_no_position(pair: ProcessPair) -> None:
    body = {"session_id": "s", "events": [{"event_id": "e", "object_id": "o"}]}
    for prefix in ("", PREFIX):
        taken = ask(pair, "POST", f"{prefix}/session/events", EVENTS, json=body)
        assert taken.status_code == 200
        assert "clickstream-position" not in taken.headers
        for path in ("/session", "/session/irrelevant"):
            assert ask(pair, "POST", prefix + path, EVENTS, json={}).status_code == 403


@pytest.mark.parametrize("key", [None, "cs_write_made-up", EXPIRED, "", "'; --", "a" * 5_000])
def test_no_route_is_open_to_a_key_that_does_not_count(pair: ProcessPair, key: str | None) -> None:
    for method, path in operations(pair):
        answer = ask(pair, method, address(path), key, json={})
        assert answer.status_code == (200 if path in OPEN_PATHS else 401), (method, path)
        if path not in OPEN_PATHS:
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("key", [WRITE, READ])
def test_a_key_opens_what_it_is_for_and_nothing_else(pair: ProcessPair, key: str) -> None:
    allowed = {WRITE: "POST", READ: "GET"}[key]
    for method, path in operations(pair):
        status = ask(pair, method, address(path), key, json={}).status_code
        is_for_admins = method == "POST" and path.endswith("/releases")
        if (method == allowed and not is_for_admins) or path in OPEN_PATHS:
            # There are no releases here.
            usual = (404,) if "/releases" in path else (200, 422)
            assert status in usual, (method, path, status)
        else:
            assert status == 403, (method, path, status)


def test_a_key_for_pages_is_for_these_pages(pair: ProcessPair) -> None:
    for headers, status in (({}, 403), ({"Origin": "https://x.example"}, 403)):
        answer = ask(pair, "POST", "/session", PAGES, json={}, headers=headers)
        assert answer.status_code == status
    assert ask(pair, "POST", "/session", PAGES, headers={"Origin": SHOP}).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "//session",
        "///session?session_id=" + SECRET,
        "/session/",
        "/./session?session_id=" + SECRET,
        "/docs/../session?session_id=" + SECRET,
        "/docs/..%2fsession?session_id=" + SECRET,
        "/%2e%2e/session?session_id=" + SECRET,
        "/livez/../session?session_id=" + SECRET,
        "/livez%2f..%2fsession?session_id=" + SECRET,
        "/livez;/session?session_id=" + SECRET,
        "/livez?/session?session_id=" + SECRET,
        "/session%00?session_id=" + SECRET,
        "/session%0d%0aX-Injected:%20yes",
        "/SESSION?session_id=" + SECRET,
        "/%73ession?session_id=" + SECRET,
        "/docs/../../../../etc/passwd",
        "/docs/%2e%2e/%2e%2e/clickstream/settings.py",
        "/docs/start.js/../../metrics",
        "\\session",
        "http://elsewhere.example/session?session_id=" + SECRET,
        "/" + "a" * 7_000,
        "/" + "a" * 20_000,
        "/" + "%41" * 2_000,
        "/session?session_id=" + "a" * 7_000,
        "/session?" + "session_id=a&" * 500,
        "*",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD", "TRACE", "CONNECT", "BREW"])
def test_no_trick_with_the_path_gets_past_the_keys(
    pair: ProcessPair, method: str, path: str
) -> None:
    place = urlsplit(pair.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        connection.putheader("X-Original-URL", "/livez")
        connection.putheader("X-Forwarded-For", "127.0.0.1")
        connection.putheader("X-HTTP-Method-Override", "GET")
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    assert SECRET.encode() not in text
    assert answer.getheader("X-Injected") is None
    if not OPEN.fullmatch(urlsplit(path).path):
        assert 400 <= answer.status < 500, (answer.status, text)


@pytest.mark.parametrize(
    "line",
    [
        b"X-API-Key: made-up\r\n " + READ.encode(),
        b"X-API-Key : " + READ.encode(),
        b"X-API-Key: " + READ.encode() + b"\x00",
        b"X-API-Key:\r" + READ.encode(),
        b"X-API\x00-Key: " + READ.encode(),
        b"Authorization: Bearer\r\n " + b"made-up",
        b"Authorization: Basic " + READ.encode(),
        b"Cookie: X-API-Key=" + READ.encode(),
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 1\r\nContent-Length: 2",
    ],
)
def test_no_trick_with_the_headers_either(pair: ProcessPair, line: bytes) -> None:
    place = urlsplit(pair.url)
    target = b"/session?session_id=" + SECRET.encode()
    with socket.create_connection((place.hostname, place.port), timeout=60) as raw:
        # In one piece: what a server has not read when it hangs up costs the client its answer.
        head = b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n"
        raw.sendall(head + b"Connection: close\r\n\r\n")
        text = b"".join(iter(lambda: raw.recv(65_536), b""))
    status = int(text.split(b" ", 2)[1])
    assert status in (400, 401)
    assert SECRET.encode() not in text


def session_of(number: int, text: str) -> dict[str, Any]:
    """A session that has the text in each of its fields."""
    return {
        "session_id": f"{number}{text}",
        "search_query": text,
        "search_results": [{"object_id": text, "rank": 1.0, "meta": {text: text}}],
        "search_meta": {text: [text]},
        "payload_filter": {"a": text},
        "sort_by": {"field": text},
        "user_id": text,
    }


def event_of(text: str) -> dict[str, Any]:
    """An event that has the text in each of its fields."""
    return {"event_id": text, "object_id": text, "event_type": text, "meta": {text: text}}


@pytest.fixture(scope="module")
def posted(pair: ProcessPair) -> ProcessPair:
    """All of them posted, so that one wait is enough for all reads."""
    for number, text in enumerate(INJECTIONS):
        session = session_of(number, text)
        assert ask(pair, "POST", "/session", WRITE, content=json.dumps(session)).status_code == 200
        pair.post("/session", session)  # again: its position is what the read waits for
        events = {"session_id": session["session_id"], "events": [event_of(text)]}
        assert pair.post("/session/events", events).status_code == 200
    return pair


@pytest.mark.parametrize("number", range(len(INJECTIONS)))
def test_what_is_not_refused_is_stored_as_it_was_sent(posted: ProcessPair, number: int) -> None:
    session, event = session_of(number, INJECTIONS[number]), event_of(INJECTIONS[number])
    stored = posted.get_session(session["session_id"])
    assert {name: stored[name] for name in session} == session
    assert {name: stored["events"][0][name] for name in event} == event


def query_parameters(pair: ProcessPair) -> list[tuple[str, str]]:
    """Path and name of each parameter that a URL carries."""
    document = ask(pair, "GET", "/openapi.json", None).json()
    return [
        (path, parameter["name"])
        for path, methods in document["paths"].items()
        if "get" in methods and path != "/events/tail"  # which asks by the ids that it met
        for parameter in methods["get"].get("parameters", ())
        if parameter["in"] == "query"
    ]


# Each parameter gets each text, in the short form every fifth.
EVERY = 1 if LONG else 5


@pytest.mark.parametrize("number", range(len(INJECTIONS)))
def test_no_parameter_reaches_sql(pair: ProcessPair, number: int) -> None:
    for path, name in query_parameters(pair)[number % EVERY :: EVERY]:
        params = {"session_id": "none", name: INJECTIONS[number]}
        answer = ask(pair, "GET", path, READ, params=params)
        assert answer.status_code in (200, 404, 422), (path, name, answer.text)
    assert ask(pair, "GET", "/session", READ, params={"session_id": SECRET}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 1_000_000, 422),
        (b'{"session_id":' * 100_000, 422),
        (b'{"session_id": "a", "events": [' + b"{}," * 10_001 + b"{}]}", 422),
        (b'{"session_id": "' + b"a" * 600 + b'", "events": []}', 422),
        (b'{"session_id": "' + b"a" * 3_000_000 + b'", "events": []}', 413),
        (b'{"session_id": "\\ud800", "events": []}', 400),
        (b'{"session_id": "\xff", "events": []}', 400),
        (b'{"session_id": "\n", "events": []}', 400),
        (b'{"session_id": "a", "events": [{"event_id": 1e999, "object_id": "o"}]}', 422),
        (b'{"session_id": ' + b"9" * 100_000 + b"}", 422),
        (b"\x00" * 1_000, 400),
        (b"", 400),
    ],
)
@pytest.mark.parametrize("path", ["/session/events", "/session", "/session/irrelevant"])
def test_huge_and_deep_and_broken_json_is_refused(
    pair: ProcessPair, path: str, body: bytes, status: int
) -> None:
    answer = ask(pair, "POST", path, WRITE, content=body)
    # A mark ignores `events`, and looks for its session.
    allowed = {status, 422, 400} | ({404} if path == "/session/irrelevant" else set())
    assert answer.status_code in allowed, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 20_000


def test_none_of_this_was_a_fault_of_ours(pair: ProcessPair) -> None:
    text = ask(pair, "GET", "/metrics", READ).text
    counted = re.findall(r'clickstream_http_requests_total\{.*status="(\d+)"\} (\S+)', text)
    assert counted
    assert not [each for each in counted if each[0].startswith("5") and float(each[1])]
