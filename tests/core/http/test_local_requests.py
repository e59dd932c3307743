"""Without keys only this machine is served, and no page of another site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from core.errors import ForeignRequest
from core.http.local_requests import LocalRequests
from core.settings import HttpSettings, Settings
from tests.core.http.served import WAYS, Served, served

SHOP = "https://shop.example"
LOCAL = [
    {},
    {"Host": "localhost"},
    {"Host": "LOCALHOST:8000"},
    {"Host": "app.localhost:8000"},
    {"Host": "127.1.2.3:1"},
    {"Host": "[::1]:8000"},
    {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin"},
]
FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost.evil.example:8000"},
    {"Host": "localhost@evil.example"},
    {"Host": "192.168.0.7:8000"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
]


@pytest.fixture(scope="module")
def without_keys() -> Iterator[Served]:
    with served(Settings(_env_file=None)) as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("headers", LOCAL, ids=str)
def test_this_machine_is_served(without_keys: Served, way: str, headers: dict[str, str]) -> None:
    assert without_keys.post(way, **headers).status == 200


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_nobody_else_is(without_keys: Served, way: str, headers: dict[str, str]) -> None:
    before = len(without_keys.publisher.log)
    reply = without_keys.post(way, **headers)
    assert reply.status == 403
    assert b"foreign-request" in reply.body
    assert len(without_keys.publisher.log) == before


@pytest.mark.parametrize("path", ["/docs", "/livez", "/metrics", "/no-such-path"])
def test_a_name_that_resolves_to_us_reads_nothing(without_keys: Served, path: str) -> None:
    assert without_keys.ask("plain", "GET", path, headers={"Host": "evil.example"}).status == 403


@pytest.mark.parametrize("way", WAYS)
def test_with_keys_these_decide(way: str) -> None:
    with served(Settings(_env_file=None, write_keys=(SecretStr("a-key"),))) as side:
        headers = {"Host": "evil.example", "Origin": SHOP, "Sec-Fetch-Site": "cross-site"}
        assert side.post(way, X_API_Key="a-key", **headers).status == 200
        assert side.post(way, **headers).status == 401


@pytest.mark.parametrize("way", WAYS)
def test_an_origin_that_the_operator_allows_is_served(way: str) -> None:
    settings = Settings(_env_file=None, http=HttpSettings(cors_origins=(SHOP,)))
    with served(settings) as side:
        assert side.post(way, Origin=SHOP, Sec_Fetch_Site="cross-site").status == 200
        assert side.post(way, Origin="https://other.example").status == 403


def test_every_origin_may_be_allowed() -> None:
    LocalRequests(["*"]).check({b"origin": b"null"})
    with pytest.raises(ForeignRequest):
        LocalRequests(["*"]).check({b"host": b"evil.example"})
