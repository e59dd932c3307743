"""How the page and its parts are served: no engines, no browser."""

from __future__ import annotations

import gzip
import json
import re
from importlib.resources import files

import pytest

from api.component import ReadComponent
from clickstream.local.demo.sample.month import sample_posts
from clickstream.operations.erasure.eraser import eraser_of
from core.http.app import build_app
from tests.api.console.browser import NODE_MODULES
from tests.api.test_erase import NOWHERE
from tests.local_client import LocalClient

STATIC = {
    file.name: file.read_bytes() for file in files("api.console.static").iterdir() if file.is_file()
}
FROM_NPM = ("uPlot.iife.min.js", "uPlot.min.css")


def client(*, with_sample: bool = False) -> LocalClient:
    component = ReadComponent(
        NOWHERE, eraser_of(NOWHERE), can_write=True, sample=sample_posts if with_sample else None
    )
    return LocalClient(build_app(NOWHERE, [component]))


def test_the_page_needs_no_key_and_loads_from_here_alone() -> None:
    with client() as http:
        answer = http.get("/")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        rules = dict(
            rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; ")
        )
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
        parts = re.findall(r'(?:href|src)="(console/[^"]+)"', answer.text)
        # Each module is named: a browser asks for all at once, not for each by whoever imports it.
        assert {part.removeprefix("console/") for part in parts} == STATIC.keys() - {"index.html"}
        for part in parts:
            assert http.get(f"/{part}").status_code == 200, part


@pytest.mark.parametrize("name", sorted(STATIC))
def test_a_part_names_no_other_host(name: str) -> None:
    found = re.findall(rb"https?://[^\s\"'`)]+", STATIC[name])
    assert set(found) <= {b"http://www.w3.org/2000/svg", b"https://github.com/leeoniya/uPlot"}


def test_all_of_it_is_small() -> None:
    assert sum(len(gzip.compress(content)) for content in STATIC.values()) < 200_000


def test_a_part_is_sent_once() -> None:
    with client() as http:
        first = http.get("/console/main.js", headers={"accept-encoding": "gzip"})
        assert first.headers["content-encoding"] == "gzip"
        assert first.content == STATIC["main.js"]
        again = http.get("/console/main.js", headers={"if-none-match": first.headers["etag"]})
        assert again.status_code == 304
        assert http.get("/console/nothing.js").status_code == 404
        assert http.get("/console/../page.py").status_code == 404


def test_every_module_that_is_imported_is_there() -> None:
    imported = {
        name.decode()
        for content in STATIC.values()
        for name in re.findall(rb'from "\./([^"]+)"', content)
    }
    assert imported <= STATIC.keys()
    known = {"index.html", "main.js", "console.css", *FROM_NPM}
    assert {name for name in STATIC if name.endswith(".js")} - known == imported


@pytest.mark.parametrize("name", FROM_NPM)
def test_what_comes_from_npm_is_what_the_lock_file_names(name: str) -> None:
    folder = NODE_MODULES / "uplot" / "dist"
    if not folder.exists():
        pytest.fail("console/node_modules is missing: run `make console`")
    assert STATIC[name] == (folder / name).read_bytes()


def test_sample_data_is_offered_where_it_is_given_only() -> None:
    with client() as http:
        assert http.get("/console/server.json").json()["has_sample"] is False
        assert http.get("/console/sample.ndjson").status_code == 404
    with client(with_sample=True) as http:
        assert http.get("/console/server.json").json()["has_sample"] is True
        lines = http.get("/console/sample.ndjson").text.splitlines()
    posts = [json.loads(line) for line in lines]
    assert {post["path"] for post in posts} == {
        "/session",
        "/session/events",
        "/session/irrelevant",
    }
