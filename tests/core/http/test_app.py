from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from core.errors import SetupError
from core.http.app import PREFIX, build_app
from core.http.readiness import Readiness
from core.settings import Settings
from tests.core.http.components import FakeComponent
from tests.local_client import LocalClient

SETTINGS = Settings(_env_file=None)


def client_of(*components: FakeComponent) -> LocalClient:
    return LocalClient(build_app(SETTINGS, components))


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_routes_live_at_the_root_and_under_the_prefix(prefix: str) -> None:
    assert client_of(FakeComponent()).get(f"{prefix}/thing").text == "None 0"


def test_the_document_shows_routes_once_with_their_problems() -> None:
    document = client_of(FakeComponent()).get("/openapi.json").json()
    paths = document["paths"]
    assert set(paths) == {"/thing", "/livez", "/readyz", "/metrics"}
    refusal = paths["/thing"]["get"]["responses"]["4XX"]["content"]["application/problem+json"]
    assert refusal["schema"] == {"$ref": "#/components/schemas/Problem"}
    shown = document["components"]["schemas"]["Problem"]["properties"]
    assert {"type", "title", "status", "detail", "instance", "errors"} == set(shown)


def test_operations_are_called_after_their_handlers() -> None:
    paths = client_of(FakeComponent()).get("/openapi.json").json()["paths"]
    assert paths["/thing"]["get"]["operationId"] == "get_thing"
    assert paths["/livez"]["get"]["operationId"] == "livez"


def test_docs_are_served() -> None:
    assert client_of(FakeComponent()).get("/docs").status_code == 200


def test_the_root_leads_to_the_docs() -> None:
    response = client_of(FakeComponent()).get("/", follow_redirects=False)
    assert response.status_code == 307
    assert response.headers["location"] == "docs"
    assert client_of(FakeComponent()).get("/").url.path == "/docs"


def test_components_start_in_order_and_stop_in_reverse() -> None:
    diary: list[str] = []
    with client_of(FakeComponent("a", diary), FakeComponent("b", diary)):
        assert diary == ["start a", "start b"]
    assert diary[2:] == ["stop b", "stop a"]


def test_a_component_that_will_not_start_is_stopped_with_those_before_it() -> None:
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


def test_readiness_lists_the_reasons_of_all_components() -> None:
    one, two, fine = FakeComponent("one"), FakeComponent("two"), FakeComponent("fine")
    one.reasons, two.reasons = ["no disk", "no light"], ["no sleep"]
    answer = client_of(one, two, fine).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["one: no disk", "one: no light", "two: no sleep"]
    assert client_of(fine).get("/readyz").json() == {"ready": True, "reasons": []}


def test_a_component_that_gives_no_answer_is_not_ready() -> None:
    component = FakeComponent()
    component.is_hanging = True
    assert client_of(component).get("/readyz").json()["reasons"] == ["fake: no answer within 2 s"]


def test_the_write_side_is_ready_without_the_read_side() -> None:
    write, read = FakeComponent("write"), FakeComponent("read")
    read.reasons = ["ClickHouse does not answer"]
    both = client_of(write, read)
    assert [both.get(f"/readyz{of}").status_code for of in ("", "?for=write")] == [200, 200]
    assert [both.get(f"/readyz?for={of}").status_code for of in ("read", "all")] == [503, 503]
    assert client_of(write).get("/readyz?for=read").json()["reasons"] == [
        "read: this process does not serve it"
    ]


def test_however_many_ask_the_servers_are_asked_once() -> None:
    class Counting(FakeComponent):
        asked = 0

        async def ready(self) -> Sequence[str]:
            self.asked += 1
            await asyncio.sleep(0.05)
            return ["no disk"]

    component = Counting()

    async def run() -> None:
        readiness = Readiness([component])
        each = await asyncio.gather(*(readiness.reasons(None) for _ in range(60)))
        assert each == [["fake: no disk"]] * 60
        await readiness.reasons(None)
        assert component.asked == 1
        gone = asyncio.create_task(Readiness([component]).reasons(None))
        await asyncio.sleep(0)
        gone.cancel()
        assert await readiness.reasons(None) == ["fake: no disk"]

    asyncio.run(run())


def test_a_component_whose_check_fails_is_not_ready() -> None:
    class Failing(FakeComponent):
        async def ready(self) -> Sequence[str]:
            raise TypeError("kafka-7.internal")

    answer = client_of(Failing()).get("/readyz")
    assert answer.status_code == 503
    assert "internal" not in answer.text


def test_metrics_are_in_prometheus_format_and_named_after_us() -> None:
    client = client_of(FakeComponent())
    client.get("/thing")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    bucket = 'clickstream_http_request_seconds_bucket{key="(none)",le="0.001",route="/thing"}'
    assert bucket in answer.text
    assert "_created" not in answer.text


def test_requests_are_counted_by_the_name_of_their_key_from_zero_on() -> None:
    keys = {
        "read_keys": (SecretStr("the-key-of-readers;name=reader"),),
        "write_keys": (SecretStr("the-key-of-the-shop;name=by-the-shop"),),
    }
    client = LocalClient(build_app(SETTINGS.model_copy(update=keys), [FakeComponent()]))
    key = {"X-API-Key": "the-key-of-readers"}
    line = '\nclickstream_http_requests_total{key="%s",method="%s",route="/thing",status="200"} '

    def text() -> str:
        return client.get("/metrics", headers=key).text

    assert line % ("reader", "GET") + "0.0" in text()
    assert line % ("by-the-shop", "POST") + "0.0" in text()
    assert line % ("by-the-shop", "GET") not in text()
    assert client.get("/thing", headers=key).status_code == 200
    assert client.get("/thing").status_code == 401
    assert line % ("reader", "GET") + "1.0" in text()


def test_health_needs_no_route_of_a_component() -> None:
    async def unreachable(_: Request) -> Response:
        raise AssertionError

    assert client_of().get("/livez").status_code == 200


def test_streams_are_ended_where_there_are_some() -> None:
    class Streams(FakeComponent):
        def end_streams(self) -> None:
            self.diary.append("end streams")

    diary: list[str] = []
    build_app(SETTINGS, [FakeComponent("one", diary), Streams("two", diary)]).end_streams()
    assert diary == ["end streams"]
