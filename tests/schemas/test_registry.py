"""One suite of promises, kept by the registry in memory and by the real one."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from core.errors import RegistryUnavailable, SchemaIncompatible, SetupError
from schemas.compatibility import FULL_TRANSITIVE, incompatibilities
from schemas.contracts import SESSION
from schemas.registry import ConfluentRegistry, SchemaRegistry
from tests.schemas.memory_registry import MemoryRegistry
from tests.schemas.test_compatibility import BAD, GOOD, changed

if TYPE_CHECKING:
    from tests.shared_engines import SharedEngines


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.engines)])
def registry(request: pytest.FixtureRequest) -> Iterator[SchemaRegistry]:
    if request.param == "memory":
        yield MemoryRegistry()
        return
    with ConfluentRegistry(request.getfixturevalue("engines").schema_registry_url) as real:
        yield real


@pytest.fixture
def subject() -> str:
    return f"t{uuid.uuid4().hex}-value"


def record(*fields: Mapping[str, object]) -> str:
    return json.dumps({"type": "record", "name": "R", "fields": list(fields)})


A = {"name": "a", "type": "string", "doc": "größe"}
B_OPTIONAL = {"name": "b", "type": "int", "default": 0}
B_REQUIRED = {"name": "b", "type": "int"}


def test_registering_again_gives_the_same_id(registry: SchemaRegistry, subject: str) -> None:
    first = registry.register(subject, record(A))
    second = registry.register(subject, record(A, B_OPTIONAL))
    assert first != second
    assert registry.register(subject, record(A)) == first
    assert registry.register(subject, record(A, B_OPTIONAL)) == second


def test_a_schema_comes_back_by_its_id(registry: SchemaRegistry, subject: str) -> None:
    schema_id = registry.register(subject, record(A))
    assert json.loads(registry.schema(schema_id)) == json.loads(record(A))


def test_an_id_never_given_out_is_a_lookup_error(registry: SchemaRegistry) -> None:
    with pytest.raises(LookupError):
        registry.schema(2_000_000_000)


def test_it_confirms_what_it_gave_out_and_nothing_else(
    registry: SchemaRegistry, subject: str
) -> None:
    schema_id = registry.register(subject, record(A))
    registry.confirm(schema_id, record(A))
    for other_id, text in ((schema_id + 10_000, record(A)), (schema_id, record(B_REQUIRED))):
        with pytest.raises(RegistryUnavailable, match="emptied, or is another one"):
            registry.confirm(other_id, text)


def test_latest_is_the_newest_version_of_its_subject(
    registry: SchemaRegistry, subject: str
) -> None:
    assert registry.latest(subject) is None
    registry.register(subject, record(A))
    newest = registry.register(subject, record(A, B_OPTIONAL))
    registry.register(subject, record(A))  # known, so no third version
    latest = registry.latest(subject)
    assert latest is not None
    assert (latest.subject, latest.version, latest.schema_id) == (subject, 2, newest)
    assert json.loads(latest.text) == json.loads(record(A, B_OPTIONAL))


def test_full_transitive_takes_good_versions_and_refuses_bad_ones(
    registry: SchemaRegistry, subject: str
) -> None:
    registry.set_compatibility(subject, FULL_TRANSITIVE)
    registry.set_compatibility(subject, FULL_TRANSITIVE)
    assert registry.is_compatible(subject, record(A)), "a new subject takes anything"
    registry.register(subject, record(A))

    assert registry.is_compatible(subject, record(A, B_OPTIONAL))
    assert not registry.is_compatible(subject, record(A, B_REQUIRED))
    with pytest.raises(SchemaIncompatible):
        registry.register(subject, record(A, B_REQUIRED))


def test_full_transitive_looks_beyond_the_last_version(
    registry: SchemaRegistry, subject: str
) -> None:
    registry.set_compatibility(subject, FULL_TRANSITIVE)
    registry.register(subject, record({"name": "a", "type": "string", "default": ""}))
    registry.register(subject, record())
    assert not registry.is_compatible(subject, record({"name": "a", "type": "int", "default": 0}))


def test_what_is_no_schema_is_refused(registry: SchemaRegistry, subject: str) -> None:
    with pytest.raises(SchemaIncompatible):
        registry.register(subject, "{")


# Avro's own rules, which the registry goes by, ignore logical types.
OURS_IS_STRICTER = {"change the unit of a time"}


@pytest.mark.engines
@pytest.mark.parametrize("change", [*GOOD, *BAD])
def test_the_real_registry_agrees_with_our_own_check(
    engines: SharedEngines, subject: str, change: str
) -> None:
    text = changed(GOOD[change] if change in GOOD else BAD[change][0])
    ours = incompatibilities("session", {1: SESSION.text, 2: text}) == []
    with ConfluentRegistry(engines.schema_registry_url) as registry:
        registry.set_compatibility(subject, FULL_TRANSITIVE)
        registry.register(subject, SESSION.text)
        theirs = registry.is_compatible(subject, text)
    assert theirs == (ours or change in OURS_IS_STRICTER)


@pytest.mark.engines
def test_a_subject_without_a_level_of_its_own_has_that_of_the_registry(
    engines: SharedEngines, subject: str
) -> None:
    with ConfluentRegistry(engines.schema_registry_url) as registry:
        registry.register(subject, record(A))
        assert subject in registry.subjects()
        assert registry.compatibility(subject) != FULL_TRANSITIVE
        registry.set_compatibility(subject, FULL_TRANSITIVE)
        assert registry.compatibility(subject) == FULL_TRANSITIVE


def test_a_registry_that_is_down_is_unavailable_and_named_without_its_password() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening: every connection is refused
        url = f"http://me:secret@127.0.0.1:{taken.getsockname()[1]}/apis"
        with (
            ConfluentRegistry(url) as registry,
            pytest.raises(RegistryUnavailable, match=r"127\.0\.0\.1") as caught,
        ):
            registry.schema(1)
    assert "secret" not in str(caught.value)


class _Refusing(BaseHTTPRequestHandler):
    """A web server that is no registry: 404 on /lost, 500 elsewhere, without an error code."""

    def do_GET(self) -> None:
        self.send_response(404 if self.path.startswith("/lost") else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.mark.parametrize("path", ["/lost", "/broken"])
def test_an_error_of_something_else_is_never_taken_for_an_unknown_schema(path: str) -> None:
    with HTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            with (
                ConfluentRegistry(f"http://127.0.0.1:{server.server_port}{path}") as registry,
                pytest.raises(RegistryUnavailable),
            ):
                registry.schema(1)
        finally:
            server.shutdown()
            thread.join()


def test_a_url_of_another_kind_is_an_operators_mistake() -> None:
    with pytest.raises(SetupError, match="CLICKSTREAM_SCHEMA_REGISTRY_URL"):
        ConfluentRegistry("registry:8081")


def test_a_client_whose_errors_would_not_be_recognised_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Client:
        """As confluent-kafka's, but through another HTTP library."""

        def __init__(self, _: object) -> None:
            self._rest_client = SimpleNamespace(session=object())

    monkeypatch.setattr("schemas.registry.SchemaRegistryClient", Client)
    with pytest.raises(SetupError, match="httpx2"):
        ConfluentRegistry("http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>login</html>"),
        (200, "{}"),
        (200, "[]"),
        (200, '{"id": null}'),
        (200, '{"id": "x"}'),
        (404, '{"error_code": 40401, "message": "Subject not found"}'),
        (503, "[]"),
    ],
)
def test_what_is_no_registry_is_unavailable_and_callers_learn_no_address(
    status: int, body: str
) -> None:
    with answering(status, body) as url, ConfluentRegistry(url, retries=0) as registry:
        with pytest.raises(RegistryUnavailable):
            registry.confirm(1, SESSION.text)
        with pytest.raises(RegistryUnavailable) as refused:
            registry.register("s", SESSION.text)
        assert "127.0.0.1" in str(refused.value)
        assert "127.0.0.1" not in refused.value.public


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """The URL of a server that answers everything so."""

    class Odd(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
