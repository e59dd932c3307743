"""Which pages may read answers, on both ways, also when the answer is a refusal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from core.errors import SetupError
from core.http.cors import Cors
from core.settings import HttpSettings, Settings
from tests.core.http.served import WAYS, Served, served

SHOP = "https://shop.example"
KEYED_PAGE = "https://keyed.example"
ELSEWHERE = "https://elsewhere.example"

ALLOW = "access-control-allow-origin"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}


def settings_with(*origins: str) -> Settings:
    return Settings(
        _env_file=None,
        http=HttpSettings(cors_origins=origins),
        write_keys=(SecretStr("for-servers"), SecretStr(f"for-pages;origins={KEYED_PAGE}")),
    )


@pytest.fixture(scope="module")
def side() -> Iterator[Served]:
    with served(settings_with(SHOP)) as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("origin", [SHOP, KEYED_PAGE])
@pytest.mark.parametrize(
    ("key", "body", "status"),
    [("for-servers", {"no": "events"}, 422), ("unknown", {}, 401)],
)
def test_a_page_that_is_allowed_may_read_every_answer(
    side: Served, way: str, origin: str, key: str, body: object, status: int
) -> None:
    reply = side.post(way, body, X_API_Key=key, Origin=origin)
    assert (reply.status, reply.headers[ALLOW], reply.headers["vary"]) == (status, origin, "Origin")
    assert "retry-after" in reply.headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize("way", WAYS)
def test_a_success_has_the_same_headers(side: Served, way: str) -> None:
    reply = side.post(way, X_API_Key="for-servers", Origin=SHOP)
    assert (reply.status, reply.headers[ALLOW]) == (200, SHOP)
    assert "access-control-allow-credentials" not in reply.headers


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("origin", [ELSEWHERE, "null", SHOP + ".evil.example", SHOP.upper(), "*"])
def test_another_page_may_not(side: Served, way: str, origin: str) -> None:
    reply = side.post(way, X_API_Key="for-servers", Origin=origin)
    assert reply.status == 200
    assert ALLOW not in reply.headers
    assert reply.headers["vary"] == "Origin"


@pytest.mark.parametrize("way", WAYS)
def test_a_key_for_pages_works_on_these_pages_alone(side: Served, way: str) -> None:
    assert side.post(way, X_API_Key="for-pages", Origin=KEYED_PAGE).status == 200
    assert side.post(way, X_API_Key="for-pages", Origin=SHOP).status == 403
    assert side.post(way, X_API_Key="for-pages").status == 403


@pytest.mark.parametrize("path", ["/session", "/api/v1/clickstream/session/events", "/livez"])
def test_a_preflight_says_what_a_page_may_send(side: Served, path: str) -> None:
    reply = side.ask("chunked", "OPTIONS", path, headers={**PREFLIGHT, "Origin": SHOP})
    assert (reply.status, reply.body, reply.headers[ALLOW]) == (204, b"", SHOP)
    assert reply.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    assert "X-API-Key" in reply.headers["access-control-allow-headers"]
    assert "Origin" in reply.headers["vary"]


def test_a_preflight_of_another_page_is_refused(side: Served) -> None:
    reply = side.ask("chunked", "OPTIONS", "/session", headers={**PREFLIGHT, "Origin": ELSEWHERE})
    assert reply.status == 403
    assert not [name for name in reply.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("way", WAYS)
def test_without_origins_cors_is_off(way: str) -> None:
    settings = Settings(_env_file=None, write_keys=(SecretStr("for-servers"),))
    with served(settings) as off:
        reply = off.post(way, X_API_Key="for-servers", Origin=SHOP)
        assert reply.status == 200
        assert not {"vary", ALLOW} & reply.headers.keys()
        asked = off.ask("chunked", "OPTIONS", "/session", headers={**PREFLIGHT, "Origin": SHOP})
        assert asked.status == 405
        assert ALLOW not in asked.headers


@pytest.mark.parametrize("way", WAYS)
def test_a_star_is_every_page(way: str) -> None:
    with served(settings_with("*")) as side:
        assert side.post(way, X_API_Key="for-servers", Origin="null").headers[ALLOW] == "*"
        asked = side.ask(
            "chunked", "OPTIONS", "/session", headers={**PREFLIGHT, "Origin": ELSEWHERE}
        )
        assert (asked.status, asked.headers[ALLOW]) == (204, "*")


@pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/", "https://*.example"])
def test_what_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(SetupError, match="CLICKSTREAM_HTTP__CORS_ORIGINS"):
        Cors.from_settings(settings_with(origin), ())
