from __future__ import annotations

from collections.abc import Sequence

import pytest
from fastapi import APIRouter
from pydantic import SecretStr
from starlette.responses import Response
from starlette.types import Scope

from core.errors import Forbidden, TooManyRequests, Unauthorized
from core.http.access import Access, Right
from core.http.app import build_app
from core.http.keys import day_or_time, declaration, new_key
from core.http.paths import PREFIX, right_to_post
from core.http.scope_keys import ADDED_HEADERS
from core.settings import HttpSettings, Limits, Settings
from tests.clock import ManualClock
from tests.core.http.components import FakeComponent
from tests.local_client import LocalClient


def settings(**keys: str) -> Settings:
    fields = {f"{kind}_keys": (SecretStr(key),) for kind, key in keys.items()}
    return Settings(_env_file=None, **fields)  # type: ignore[arg-type]  # names are made above


def name_of(access: Access, text: bytes) -> str:
    key = access.authenticate({b"x-api-key": text}, Right.WRITE)
    assert key is not None
    return key.name


SHOP = b"https://shop.example"
ALL = settings(write="w-key", read="r-key", admin="a-key")


PAGE = Settings(
    _env_file=None,
    write_keys=(
        SecretStr("page+key;rights=events;origins=https://shop.example"),
        SecretStr("server-key"),
    ),
)


@pytest.mark.parametrize("query", [b"key=page%2Bkey", b"a=b&key=page+key&key=other"])
def test_the_key_of_a_page_may_be_in_the_address(query: bytes) -> None:
    access = Access.from_settings(PAGE)
    key = access.authenticate({b"origin": SHOP}, Right.EVENTS, query)
    assert key is not None
    with pytest.raises(Forbidden, match="origin"):
        access.authenticate({b"origin": b"https://other.example"}, Right.EVENTS, query)
    for other in (Right.MARKS, Right.READ, Right.ADMIN):
        with pytest.raises(Unauthorized, match="send a key"):
            access.authenticate({b"origin": SHOP}, other, query)


def test_no_other_key_may() -> None:
    access = Access.from_settings(PAGE)
    with pytest.raises(Forbidden, match="addresses are logged"):
        access.authenticate({b"origin": SHOP}, Right.EVENTS, b"key=server-key")
    with pytest.raises(Unauthorized, match="not known"):
        access.authenticate({b"origin": SHOP}, Right.EVENTS, b"key=")


def test_without_any_key_everything_is_open() -> None:
    access = Access.from_settings(settings())
    assert access.is_open
    assert access.authenticate({}, Right.ADMIN) is None


@pytest.mark.parametrize(
    ("key", "right", "allowed"),
    [
        ("w-key", Right.WRITE, True),
        ("w-key", Right.READ, False),
        ("r-key", Right.READ, True),
        ("r-key", Right.WRITE, False),
        ("a-key", Right.WRITE, True),
        ("a-key", Right.READ, True),
        ("a-key", Right.ADMIN, True),
        ("w-key", Right.ADMIN, False),
    ],
)
def test_a_key_allows_what_it_is_for(key: str, right: Right, allowed: bool) -> None:
    access = Access.from_settings(ALL)
    headers = {b"x-api-key": key.encode()}
    if allowed:
        assert access.authenticate(headers, right)
    else:
        with pytest.raises(Forbidden):
            access.authenticate(headers, right)


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer w-key"},
        {b"authorization": b"bearer  w-key "},
        {b"x-api-key": b"w-key"},
        {b"x-api-key": b"w-key", b"authorization": b"Basic dXNlcjpwYXNz"},
    ],
)
def test_a_key_may_come_in_either_header(headers: dict[bytes, bytes]) -> None:
    assert Access.from_settings(ALL).authenticate(headers, Right.WRITE)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b"w-key"},
        {b"authorization": b"Bearer "},
        {b"authorization": b"Basic w-key"},
        {b"authorization": b"Bearer w-kez"},
        {b"x-api-key": b""},
        {b"x-api-key": b"\xff\xfe"},
        {b"x-api-key": b"w-key,r-key"},
    ],
)
def test_no_key_or_an_unknown_one_is_refused(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(Unauthorized):
        Access.from_settings(ALL).authenticate(headers, Right.WRITE)


def test_a_right_without_keys_is_left_to_the_admin_once_there_is_any_key() -> None:
    access = Access.from_settings(settings(read="r-key", admin="a-key"))
    with pytest.raises(Forbidden):
        access.authenticate({b"x-api-key": b"r-key"}, Right.WRITE)
    assert access.authenticate({b"x-api-key": b"a-key"}, Right.WRITE)


def test_one_key_may_stand_in_two_lists() -> None:
    access = Access.from_settings(settings(read="same", write="same"))
    for right in (Right.READ, Right.WRITE):
        assert access.authenticate({b"x-api-key": b"same"}, right)


def test_several_keys_work_at_once_so_that_one_can_be_rotated_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLICKSTREAM_WRITE_KEYS", "old, new")
    access = Access.from_settings(Settings(_env_file=None))
    names = {name_of(access, key) for key in (b"old", b"new")}
    assert len(names) == 2


def test_a_caller_s_name_tells_nothing_of_the_key() -> None:
    name = name_of(Access.from_settings(ALL), b"w-key")
    assert name.startswith("key-")
    assert "w-key" not in name


@pytest.mark.parametrize(
    ("method", "key", "status"),
    [
        ("GET", "r-key", 200),
        ("GET", "w-key", 403),
        ("POST", "w-key", 200),
        ("POST", "r-key", 403),
        ("GET", None, 401),
    ],
)
def test_reading_wants_the_read_key_and_the_rest_the_write_key(
    method: str, key: str | None, status: int
) -> None:
    client = LocalClient(build_app(ALL, [FakeComponent()]))
    headers = {"authorization": f"Bearer {key}"} if key else {}
    answer = client.request(method, "/thing", headers=headers)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/openapi.json", "/docs", "/"])
def test_health_and_documents_need_no_key(path: str) -> None:
    assert LocalClient(build_app(ALL, [FakeComponent()])).get(path).status_code == 200


def test_the_document_offers_both_headers() -> None:
    document = LocalClient(build_app(ALL, [FakeComponent()])).get("/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"HTTPBearer", "APIKeyHeader"}


def test_an_expired_key_says_so_to_whoever_has_it_and_to_nobody_else() -> None:
    clock = ManualClock(now_ms=day_or_time("2027-01-31") - 1)
    access = Access.from_settings(settings(write="old-key;expires=2027-01-31"), clock)
    assert access.authenticate({b"x-api-key": b"old-key"}, Right.WRITE)
    clock.advance(0.001)
    with pytest.raises(Unauthorized, match="expired at 2027-02-01 00:00:00 UTC"):
        access.authenticate({b"x-api-key": b"old-key"}, Right.WRITE)
    with pytest.raises(Unauthorized, match="not known"):
        access.authenticate({b"x-api-key": b"old-kez"}, Right.WRITE)


def test_the_settings_need_only_the_hash() -> None:
    key = new_key(Right.WRITE)
    access = Access.from_settings(settings(write=declaration(key, {"name": "shop"})))
    assert name_of(access, key.encode()) == "shop"
    for other in (declaration(key, {}).encode(), key[:-1].encode(), b"shop"):
        with pytest.raises(Unauthorized):
            access.authenticate({b"x-api-key": other}, Right.WRITE)


@pytest.mark.parametrize(
    ("origin", "allowed"), [(SHOP, True), (b"https://x", False), (None, False)]
)
def test_a_key_for_pages_needs_their_origin(origin: bytes | None, allowed: bool) -> None:
    access = Access.from_settings(settings(write=f"page-key;origins={SHOP.decode()}"))
    headers = {b"x-api-key": b"page-key", **({b"origin": origin} if origin else {})}
    if allowed:
        assert access.authenticate(headers, Right.WRITE)
    else:
        with pytest.raises(Forbidden, match="page"):
            access.authenticate(headers, Right.WRITE)


@pytest.mark.parametrize(("key", "status"), [("w-key", 403), ("r-key", 403), ("a-key", 405)])
def test_deleting_is_the_admin_s(key: str, status: int) -> None:
    class Deletes(FakeComponent):
        def routers(self) -> Sequence[APIRouter]:
            router = APIRouter()

            @router.delete("/thing")
            async def delete_thing() -> Response:
                return Response(status_code=405)

            return (router,)

    client = LocalClient(build_app(ALL, [Deletes()]))
    assert client.delete("/thing", headers={"x-api-key": key}).status_code == status


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("w-key", 403), ("r-key", 200)])
def test_metrics_are_read_like_data(key: str | None, status: int) -> None:
    headers = {"x-api-key": key} if key else {}
    answer = LocalClient(build_app(ALL, [FakeComponent()])).get("/metrics", headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("right", ["sessions", "events", "marks"])
def test_a_key_may_have_a_part_of_the_writes_alone(right: str) -> None:
    access = Access.from_settings(settings(write=f"part-key;rights={right}"))
    headers = {b"x-api-key": b"part-key"}
    for each in (Right.SESSIONS, Right.EVENTS, Right.MARKS):
        if each.value == right:
            assert access.authenticate(headers, each)
        else:
            with pytest.raises(Forbidden, match=each.value):
                access.authenticate(headers, each)
    with pytest.raises(Forbidden):
        access.authenticate(headers, Right.WRITE)


def test_every_post_path_has_a_right_of_its_own_also_under_the_prefix() -> None:
    for prefix in ("", PREFIX):
        assert right_to_post(f"{prefix}/session") is Right.SESSIONS
        assert right_to_post(f"{prefix}/session/events") is Right.EVENTS
        assert right_to_post(f"{prefix}/session/irrelevant") is Right.MARKS
    assert right_to_post("/thing") is Right.WRITE


def test_each_client_of_a_key_has_a_rate_of_its_own() -> None:
    limited = ALL.model_copy(
        update={
            "limits": Limits(requests_per_second=1, burst=1),
            "http": HttpSettings(trusted_proxies=("10.0.0.0/8",)),
        }
    )
    access = Access.from_settings(limited, ManualClock())

    def ask(client: str) -> None:
        headers = {b"x-api-key": b"w-key", b"x-forwarded-for": client.encode()}
        access.admit(access.authenticate(headers, Right.EVENTS), headers, lambda: "10.0.0.1")

    ask("203.0.113.1")
    with pytest.raises(TooManyRequests):
        ask("203.0.113.1")
    ask("203.0.113.2")


def test_a_route_may_ask_for_the_admin_as_well_and_costs_one_token() -> None:
    limited = ALL.model_copy(update={"limits": Limits(requests_per_second=1, burst=5)})
    access = Access.from_settings(limited, ManualClock())
    scope: Scope = {"type": "http", "headers": [(b"x-api-key", b"a-key")], "client": None}
    access.check_asgi(scope, Right.WRITE)
    access.check_asgi(scope, Right.ADMIN)
    assert (b"ratelimit-remaining", b"4") in scope[ADDED_HEADERS]
