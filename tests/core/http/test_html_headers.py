"""What browsers are told, and that pages need nobody else's server."""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr
from starlette.responses import HTMLResponse, Response

from core.http.app import build_app
from core.settings import Settings
from tests.core.http.components import FakeComponent
from tests.core.http.served import WAYS, served
from tests.local_client import LocalClient

SETTINGS = Settings(_env_file=None)
WITH_KEYS = Settings(_env_file=None, admin_keys=(SecretStr("a-key"),))


def client_of(component: FakeComponent | None = None, settings: Settings = SETTINGS) -> LocalClient:
    app = build_app(settings, [component or FakeComponent()])
    return LocalClient(app, follow_redirects=False)


def test_docs_load_nothing_from_elsewhere() -> None:
    client = client_of()
    page = client.get("/docs")
    parts = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(parts) == 5
    for part in parts:
        if part != "data:,":
            assert client.get(f"/{part}").status_code == 200
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page.text)
    assert "<script>" not in page.text  # the policy would forbid it


def test_a_page_may_load_its_own_parts_and_be_framed_by_nobody() -> None:
    headers = client_of().get("/docs").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


def test_every_page_gets_them_and_may_have_its_own_policy() -> None:
    async def page() -> Response:
        return HTMLResponse("<p>", headers={"Content-Security-Policy": "default-src 'self'"})

    component = FakeComponent()
    component.handler = page
    headers = client_of(component).get("/thing").headers
    assert headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/nothing", "/docs/start.js", "/thing"])
def test_every_answer_is_what_it_says_it_is(path: str) -> None:
    headers = client_of().get(path).headers
    assert headers.get_list("x-content-type-options") == ["nosniff"]
    assert "content-security-policy" not in headers


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("body", [{}, {"session_id": "s", "events": []}])
def test_either_way(way: str, body: object) -> None:
    with served(SETTINGS) as side:
        assert side.post(way, body).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/thing/", "//thing", "/docs/"])
def test_no_path_is_redirected_to_a_host_that_the_caller_names(path: str) -> None:
    # A whole URL: of `//thing` alone the client would make the host `thing`.
    url = f"http://localhost{path}"
    answer = client_of(settings=WITH_KEYS).get(url, headers={"host": "elsewhere.example"})
    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_the_redirect_of_the_root_names_no_host() -> None:
    headers = {"host": "elsewhere.example"}
    answer = client_of(settings=WITH_KEYS).get("/", headers=headers)
    assert answer.headers["location"] == "docs"


def test_a_wrong_method_says_all_right_ones() -> None:
    answer = client_of().put("/thing")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
