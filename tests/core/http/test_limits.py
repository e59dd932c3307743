"""Rates and the in-flight limit for requests of every form."""

from __future__ import annotations

import http.client
import logging
import socket
import time
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.errors import Overloaded
from core.http.admission import InFlight, InFlightLimit
from core.settings import HttpSettings, Limits, Settings
from tests.core.http.counted import counted
from tests.core.http.served import EVENTS, WAYS, served

RATED = Settings(
    _env_file=None,
    limits=Limits(requests_per_second=0.5, burst=2),
    write_keys=(SecretStr("mine"), SecretStr("yours")),
)


@pytest.mark.parametrize("ways", [("plain",) * 3, ("chunked",) * 3, ("plain", "chunked", "plain")])
def test_a_key_over_its_rate_gets_a_429_until_it_has_waited(ways: tuple[str, ...]) -> None:
    with served(RATED) as side:
        replies = [side.post(way, X_API_Key="mine") for way in ways]
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert [reply.headers["ratelimit-remaining"] for reply in replies] == ["1", "0", "0"]
        assert {reply.headers["ratelimit-limit"] for reply in replies} == {"2"}
        assert replies[2].headers["retry-after"] == "2"
        assert side.post(ways[0], X_API_Key="yours").status == 200
        side.clock.advance(2)
        assert side.post(ways[0], X_API_Key="mine").status == 200


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_body_costs_a_token_and_says_so(way: str) -> None:
    with served(RATED) as side:
        reply = side.post(way, {"no": "events"}, X_API_Key="mine")
        assert (reply.status, reply.headers["ratelimit-remaining"]) == (422, "1")


@pytest.mark.parametrize("way", WAYS)
def test_an_unknown_key_costs_nobody_a_token(way: str) -> None:
    with served(RATED) as side:
        for _ in range(5):
            assert side.post(way, X_API_Key="unknown").status == 401
        assert side.post(way, X_API_Key="mine").headers["ratelimit-remaining"] == "1"


@pytest.mark.parametrize("way", WAYS)
def test_without_keys_each_address_has_a_rate(way: str) -> None:
    with served(RATED.model_copy(update={"write_keys": ()})) as side:
        assert [side.post(way).status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("way", WAYS)
def test_without_a_rate_nothing_is_said_of_it(way: str) -> None:
    with served(Settings(_env_file=None)) as side:
        assert not [name for name in side.post(way).headers if name.startswith("ratelimit")]


@pytest.mark.parametrize("way", WAYS)
def test_a_full_process_answers_503_at_once_and_health_goes_on(way: str) -> None:
    with served(Settings(_env_file=None, http=HttpSettings(requests_in_flight=1))) as side:
        held = side.policies.in_flight.begin()
        reply = side.post(way)
        assert (reply.status, reply.headers["retry-after"] in "12") == (503, True)
        assert b"urn:clickstream:problem:overloaded" in reply.body
        for path in ("/livez", "/readyz", "/metrics"):
            assert side.ask("chunked", "GET", path).status == 200
        held.end()
        assert side.post(way).status == 200


@pytest.mark.parametrize("way", WAYS)
def test_so_does_one_with_too_many_bytes(way: str) -> None:
    with served(Settings(_env_file=None, http=HttpSettings(bytes_in_flight=1000))) as side:
        held = side.policies.in_flight.begin(announced=900, here=900)
        large = {**EVENTS, "session_id": "s" * 500}
        assert side.post(way, large).status == 503
        held.end()
        assert side.post(way, large).status == 200


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("body", [EVENTS, {"no": "events"}])
def test_what_is_answered_is_no_longer_under_way(way: str, body: object) -> None:
    with served(Settings(_env_file=None)) as side:
        for _ in range(3):
            side.post(way, body)
        deadline = time.monotonic() + 10  # a client may have its answer a moment earlier
        while side.policies.in_flight.requests and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (side.policies.in_flight.requests, side.policies.in_flight.bytes) == (0, 0)


STEP = st.tuples(
    st.sampled_from("ab"), st.integers(0, 40), st.sampled_from(("begin", "end", "grow"))
)


@given(st.lists(STEP, max_size=200))
def test_no_more_is_under_way_than_allowed_but_for_one_alone(
    steps: list[tuple[str, int, str]],
) -> None:
    limit = InFlightLimit(most_requests=6, most_bytes=80, client_share=0.5)
    held: list[tuple[str, int, InFlight]] = []

    def of(client: str) -> list[int]:
        return [size for whose, size, _ in held if whose == client]

    for client, size, step in steps:
        mine, everybodys = of(client), [each for _, each, _ in held]
        is_too_much = (sum(mine) + size > 40 and mine) or (sum(everybodys) + size > 80 and held)
        try:
            if step == "begin":
                held.append((client, size, limit.begin(client, size, size)))
            elif held and step == "end":
                held.pop()[2].end()
            elif held:
                whose, before, it = held[-1]
                it.grow(size)
                held[-1] = (whose, before + size, it)
        except Overloaded:
            assert step == "grow" or len(mine) == 3 or len(held) == 6 or is_too_much
        assert (limit.requests, limit.bytes) == (len(held), sum(each for _, each, _ in held))
        for one in "ab":
            assert len(of(one)) <= 3
            assert sum(of(one)) <= 40 or len(of(one)) == 1
        assert limit.bytes <= 80 or len(held) == 1
    while held:
        held.pop()[2].end()
    assert (limit.requests, limit.bytes, limit._clients) == (0, 0, {})


@pytest.mark.parametrize("way", WAYS)
def test_one_connection_too_many_is_told_and_hung_up_on(way: str) -> None:
    with served(Settings(_env_file=None, http=HttpSettings(connections=1))) as side:
        held = http.client.HTTPConnection("127.0.0.1", side.port, timeout=30)
        held.request("GET", "/livez")
        held.getresponse().read()
        before = counted("clickstream_http_connections_refused_total")
        try:
            reply = side.post(way)
            assert (reply.status, reply.headers["connection"]) == (503, "close")
            assert counted("clickstream_http_connections_refused_total") == before + 1
        finally:
            held.close()


PROXIED = HttpSettings(
    bytes_in_flight=2_000, requests_in_flight=4, connections=8, trusted_proxies=("127.0.0.1",)
)


@pytest.mark.parametrize("way", WAYS)
def test_one_client_has_its_share_and_others_theirs(way: str) -> None:
    with served(Settings(_env_file=None, http=PROXIED)) as side:
        held = side.policies.in_flight.begin("192.0.2.1", announced=990, here=990)
        reply = side.post(way, X_Forwarded_For="192.0.2.1")
        assert (reply.status, b"one client address" in reply.body) == (503, True)
        assert side.post(way, X_Forwarded_For="192.0.2.2").status == 200
        held.end()
        assert side.post(way, X_Forwarded_For="192.0.2.1").status == 200


@pytest.mark.parametrize("framing", [b"Content-Length: 2", b"Transfer-Encoding: chunked"])
def test_a_proxy_may_add_a_line_of_its_own_to_what_another_said(framing: bytes) -> None:
    """The nearest proxy's line is the last, and names the other one."""
    body = b"{}" if framing.startswith(b"C") else b"2\r\n{}\r\n0\r\n\r\n"
    with served(Settings(_env_file=None, http=PROXIED)) as side:
        held = side.policies.in_flight.begin("192.0.2.1", announced=999, here=999)
        with socket.create_connection(("127.0.0.1", side.port), timeout=30) as connection:
            connection.sendall(
                b"POST /session HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.1\r\n"
                b"X-Forwarded-For: 127.0.0.1\r\nContent-Type: application/json\r\n"
                + framing
                + b"\r\n\r\n"
                + body
            )
            response = http.client.HTTPResponse(connection)
            response.begin()
            assert (response.status, b"one client address" in response.read()) == (503, True)
        held.end()


@pytest.mark.parametrize("way", WAYS)
def test_a_body_that_is_too_much_in_its_middle_is_answered(way: str) -> None:
    """It was not when its first bytes came."""
    with served(Settings(_env_file=None, http=PROXIED)) as side:
        large = {**EVENTS, "session_id": "s" * 500}
        others: list[InFlight] = []
        begin = side.policies.in_flight.begin

        def crowded(client: str = "", announced: int = 0, here: int = 0) -> InFlight:
            mine = begin(client, announced, here)
            others.append(begin("192.0.2.9", announced=990, here=990))
            others.append(begin("192.0.2.8", announced=990, here=990))
            return mine

        side.policies.in_flight.begin = crowded  # type: ignore[method-assign]
        assert side.post(way, large).status == 503
        side.policies.in_flight.begin = begin  # type: ignore[method-assign]
        for each in others:
            each.end()
        assert side.post(way, large).status == 200


@pytest.mark.parametrize(("proxies", "most"), [((), 4), (("127.0.0.1",), 8)])
def test_one_address_cannot_have_all_connections_unless_it_is_our_proxy(
    proxies: tuple[str, ...], most: int
) -> None:
    http_settings = HttpSettings(connections=8, trusted_proxies=proxies)
    with served(Settings(_env_file=None, http=http_settings)) as side, ExitStack() as stack:
        for _ in range(most):
            stack.enter_context(socket.create_connection(("127.0.0.1", side.port)))
        deadline = time.monotonic() + 10
        while side.post("plain").status != 503 and time.monotonic() < deadline:
            time.sleep(0.01)
        reply = side.post("plain")
        assert (reply.status, reply.headers["connection"]) == (503, "close")
        assert (b"your address" in reply.body) == (not proxies)


@pytest.mark.parametrize("way", WAYS)
def test_no_log_line_holds_a_key(way: str, caplog: pytest.LogCaptureFixture) -> None:
    key, other = "cs_write_mine-and-mine-alone", "cs_write_nobody-s"
    settings = Settings(_env_file=None, write_keys=(SecretStr(key),))
    with caplog.at_level(logging.DEBUG), served(settings) as side:

        def broken(*_: object) -> None:
            raise RuntimeError("ours")

        assert side.post(way, X_API_Key=key).status == 200
        assert side.post(way, X_API_Key=other).status == 401
        side.publisher.publish = broken  # type: ignore[method-assign, assignment]
        assert side.post(way, X_API_Key=key).status == 500
    assert "ours" in caplog.text
    assert key not in caplog.text
    assert other not in caplog.text


@pytest.mark.parametrize("way", WAYS)
def test_a_key_for_events_alone_is_told_no_position(way: str) -> None:
    keys = (SecretStr("backend"), SecretStr("page;rights=events"))
    with served(Settings(_env_file=None, write_keys=keys)) as side:
        assert "clickstream-position" in side.post(way, X_API_Key="backend").headers
        reply = side.post(way, X_API_Key="page")
        assert (reply.status, "clickstream-position" in reply.headers) == (200, False)
        body = '{"session_id": "s", "search_query": "", "search_results": []}'
        assert side.ask(way, "POST", "/session", body, {"X-API-Key": "page"}).status == 403
