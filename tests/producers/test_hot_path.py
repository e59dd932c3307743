from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr
from starlette.types import Message, Receive, Scope, Send

from core.errors import BrokerUnavailable, Disconnected, SetupError
from core.http.access import Access
from core.http.raw_response import RawResponse
from core.http.scope_keys import CALLER
from core.settings import Settings
from producers.hot_path import HotPath

OPEN = Access.from_settings(Settings(_env_file=None))
KEYED = Access.from_settings(
    Settings(_env_file=None, write_keys=(SecretStr("w"),), read_keys=(SecretStr("r"),))
)


class Behind:
    """The application behind the hot path."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    async def __call__(self, scope: Scope, _: Receive, __: Send) -> None:
        self.reached.append(scope.get("path", scope["type"]))


async def endpoint(scope: Scope, _: Receive) -> RawResponse:
    return RawResponse.of(200, str(scope[CALLER]).encode(), "text/plain")


def scope(method: str = "POST", path: str = "/hot", **headers: str) -> Scope:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "headers": raw}


def call(hot_path: HotPath, scope: Scope) -> list[Message]:
    """The messages that were sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(hot_path(scope, receive, send))
    return sent


def test_a_post_to_a_hot_path_never_reaches_the_application() -> None:
    behind = Behind()
    start, body = call(HotPath(behind, {"/hot": endpoint}, OPEN), scope())
    assert (start["status"], body["body"]) == (200, b"None")
    assert not behind.reached


@pytest.mark.parametrize(
    "other",
    [
        scope("GET"),
        scope("OPTIONS"),
        scope(path="/cold"),
        scope(path="/hot/"),
        {"type": "lifespan"},
    ],
)
def test_everything_else_does(other: Scope) -> None:
    behind = Behind()
    assert not call(HotPath(behind, {"/hot": endpoint}, OPEN), other)
    assert len(behind.reached) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"x_api_key": "?"}, 401), ({"x_api_key": "r"}, 403), ({"x_api_key": "w"}, 200)],
)
def test_the_write_key_is_asked_for(headers: dict[str, str], status: int) -> None:
    start, _ = call(HotPath(Behind(), {"/hot": endpoint}, KEYED), scope(**headers))
    assert start["status"] == status


def test_an_error_meant_for_callers_is_answered_here() -> None:
    async def unavailable(_: Scope, __: Receive) -> RawResponse:
        raise BrokerUnavailable("later", retry_after=7)

    start, _ = call(HotPath(Behind(), {"/hot": unavailable}, OPEN), scope())
    assert start["status"] == 503
    assert (b"retry-after", b"7") in start["headers"]


def test_an_error_that_is_not_goes_up_to_be_logged() -> None:
    async def broken(_: Scope, __: Receive) -> RawResponse:
        raise SetupError("ours")

    with pytest.raises(SetupError):
        call(HotPath(Behind(), {"/hot": broken}, OPEN), scope())


def test_nobody_is_answered_who_has_left() -> None:
    async def left(_: Scope, __: Receive) -> RawResponse:
        raise Disconnected

    assert not call(HotPath(Behind(), {"/hot": left}, OPEN), scope())
