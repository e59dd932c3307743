from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import SetupError
from core.http.access import Access
from core.http.app import PREFIX, build_app
from core.settings import Settings
from tests.core.http.components import FakeComponent

SETTINGS = Settings(_env_file=None)


def client_of(*roles: FakeComponent) -> TestClient:
    return TestClient(build_app(SETTINGS, roles))


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_routes_live_at_the_root_and_under_the_prefix(prefix: str) -> None:
    assert client_of(FakeComponent()).get(f"{prefix}/thing").text == "None 0"


def test_the_document_shows_routes_once_with_their_problems() -> None:
    paths = client_of(FakeComponent()).get("/openapi.json").json()["paths"]
    assert set(paths) == {"/thing", "/livez", "/readyz", "/metrics"}
    refusal = paths["/thing"]["get"]["responses"]["4XX"]["content"]["application/problem+json"]
    assert {"type", "title", "status", "detail", "errors"} == set(refusal["schema"]["properties"])


def test_docs_are_served() -> None:
    assert client_of(FakeComponent()).get("/docs").status_code == 200


def test_roles_start_in_order_and_stop_in_reverse() -> None:
    diary: list[str] = []
    with client_of(FakeComponent("a", diary), FakeComponent("b", diary)):
        assert diary == ["start a", "start b"]
    assert diary[2:] == ["stop b", "stop a"]


def test_a_role_that_will_not_start_is_stopped_with_those_before_it() -> None:
    diary: list[str] = []
    bad = FakeComponent("b", diary)
    bad.start_error = SetupError("no")
    app = build_app(SETTINGS, [FakeComponent("a", diary), bad, FakeComponent("c", diary)])

    async def run() -> None:
        async with app.running():
            pass

    with pytest.raises(SetupError):
        asyncio.run(run())
    assert diary == ["start a", "start b", "stop b", "stop a"]


def test_a_role_can_step_in_front_of_the_whole_application() -> None:
    class InFront(FakeComponent):
        def wrap(self, app: ASGIApp, _: Access) -> ASGIApp:
            async def front(scope: Scope, receive: Receive, send: Send) -> None:
                if scope["type"] == "http" and scope["path"] == "/thing":
                    await Response("in front")(scope, receive, send)
                else:
                    await app(scope, receive, send)

            return front

    client = client_of(FakeComponent(), InFront())
    assert client.get("/thing").text == "in front"
    assert client.get("/livez").json() == {"alive": True}


def test_readiness_lists_the_reasons_of_all_roles() -> None:
    one, two, fine = FakeComponent("one"), FakeComponent("two"), FakeComponent("fine")
    one.reasons, two.reasons = ["no disk", "no light"], ["no sleep"]
    answer = client_of(one, two, fine).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["one: no disk", "one: no light", "two: no sleep"]
    assert client_of(fine).get("/readyz").json() == {"ready": True, "reasons": []}


def test_a_role_that_gives_no_answer_is_not_ready() -> None:
    role = FakeComponent()
    role.is_hanging = True
    assert client_of(role).get("/readyz").json()["reasons"] == ["fake: no answer within 2 s"]


def test_metrics_are_in_prometheus_format_and_named_after_us() -> None:
    client = client_of(FakeComponent())
    client.get("/thing")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'clickstream_http_request_seconds_bucket{le="0.001",route="/thing"}' in answer.text
    assert "_created" not in answer.text


def test_health_needs_no_route_of_a_role() -> None:
    async def unreachable(_: Request) -> Response:
        raise AssertionError

    assert client_of().get("/livez").status_code == 200
