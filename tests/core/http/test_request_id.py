from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.http.request_id import request_id_of
from core.settings import Settings
from tests.core.http.served import WAYS, served

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("X-Request-ID", "shop-7f3a:1", "shop-7f3a:1"),
        ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        ("traceparent", f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        ("X-Request-ID", "a b", None),
        ("X-Request-ID", "a" * 129, None),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_an_id_that_a_caller_brings_is_answered(
    way: str, name: str, value: str, found: str | None
) -> None:
    with served(Settings(_env_file=None)) as side:
        for body in ({"session_id": "s", "events": [{"event_id": "e", "object_id": "o"}]}, {}):
            reply = side.ask(
                way, "POST", "/session/events", str(body).replace("'", '"'), {name: value}
            )
            answered = reply.headers["x-request-id"]
            assert (answered == found) if found else (answered != value)
            if reply.status != 200:
                assert f"urn:clickstream:request:{answered}".encode() in reply.body


@given(st.binary(), st.binary())
def test_an_id_is_safe_in_a_header_and_in_a_log_line(given_id: bytes, parent: bytes) -> None:
    found = request_id_of({b"x-request-id": given_id, b"traceparent": parent})
    assert 1 <= len(found) <= 128
    assert not set(found) & set(b' \r\n\t"\x00')


def test_ids_that_are_made_differ() -> None:
    assert len({request_id_of({}) for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize("path", ["/readyz", "/nowhere", "/openapi.json"])
def test_no_cache_keeps_what_was_read(path: str) -> None:
    with served(Settings(_env_file=None)) as side:
        assert side.ask("plain", "GET", path).headers["cache-control"] == "no-store"
        script = side.ask("plain", "GET", "/docs/start.js")
        assert script.headers["cache-control"] == "max-age=3600"
