"""Schemas are restored under their ids, or not at all: on a second, empty registry, and on a fake
that has Confluent's mode IMPORT."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from clickstream.local.engines import registry
from clickstream.local.engines.downloads import fetch
from clickstream.local.processes.ports import free_port
from clickstream.local.processes.process_manager import ProcessManager
from clickstream.local.processes.service import Service
from clickstream.operations.backup.manifest import SavedSchema
from clickstream.operations.backup.schema_registry import (
    Registry,
    missing_schemas,
    open_registry,
    restore_schemas,
)
from clickstream.progress import ConsoleProgress
from core.errors import SetupError
from core.settings import Settings
from schemas.registry import ConfluentRegistry


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings with a registry of this file's own, which the first of its tests finds unused."""
    processes, folder = ProcessManager(), tmp_path_factory.mktemp("registry")
    program = fetch(ConsoleProgress()).registry
    launch = registry.prepare(folder / "r", folder / "log", program, free_port(), free_port())
    service = Service(launch, processes)
    service.spawn()
    service.wait()
    yield Settings(_env_file=None, schema_registry_url=service.url)
    service.stop()
    processes.close()


@pytest.mark.engines
def test_a_lost_registry_gets_its_ids_back_and_assigns_none_of_them_again(
    module_settings: Settings, other: Settings
) -> None:
    prefix = module_settings.topics.prefix
    with open_registry(module_settings) as full, open_registry(other) as lost:
        saved, export = full.schemas(prefix), full.export(prefix)
        assert saved
        missing = missing_schemas(lost, saved, prefix)
        assert missing == list(saved)
        restore_schemas(lost, missing, export, prefix)
        assert lost.schemas(prefix) == saved
        assert lost.schemas("") == saved  # nothing of others
        assert missing_schemas(lost, saved, prefix) == []
    with ConfluentRegistry.from_settings(other) as client:
        assert client.register("new-value", '"long"') not in {each.schema_id for each in saved}


@pytest.mark.engines
def test_an_id_that_is_taken_is_refused(module_settings: Settings, other: Settings) -> None:
    prefix = module_settings.topics.prefix
    with open_registry(module_settings) as full, open_registry(other) as used:
        saved = full.schemas(prefix)
        with ConfluentRegistry.from_settings(other) as client:
            taken = client.register("other-value", '"bytes"')
        clash = [SavedSchema(f"{saved[0].subject}-lost", 1, taken, saved[0].text)]
        with pytest.raises(SetupError, match="empty registry"):
            missing_schemas(used, clash, prefix)


class Confluent:
    """As much of Confluent's API as a restore needs; without `keeps_ids`, as one that lacks it."""

    def __init__(self, *, keeps_ids: bool = True) -> None:
        self._keeps_ids = keeps_ids
        self.subjects: dict[str, dict[int, tuple[int, str]]] = {}
        self.modes: dict[str, str] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or b"null")
        match request.method, request.url.path.strip("/").split("/"):
            case "GET", ["subjects"]:
                return httpx.Response(200, json=list(self.subjects))
            case "GET", ["subjects", subject, "versions"]:
                return httpx.Response(200, json=list(self.subjects[subject]))
            case "GET", ["subjects", subject, "versions", version]:
                id_, text = self.subjects[subject][int(version)]
                found = {"subject": subject, "version": int(version), "id": id_, "schema": text}
                return httpx.Response(200, json=found)
            case "GET", ["schemas", "ids", wanted]:
                for versions in self.subjects.values():
                    for id_, text in versions.values():
                        if id_ == int(wanted):
                            return httpx.Response(200, json={"schema": text})
                return httpx.Response(404, json={"error_code": 40403})
            case "GET", ["mode", subject]:
                if subject not in self.modes:
                    return httpx.Response(404, json={"error_code": 40409})
                return httpx.Response(200, json={"mode": self.modes[subject]})
            case "PUT", ["mode", subject]:
                is_used = bool(self.subjects.get(subject)) and body["mode"] == "IMPORT"
                if is_used and request.url.params.get("force") != "true":
                    refusal = {"message": "Cannot import since found existing subjects"}
                    return httpx.Response(422, json=refusal)
                self.modes[subject] = body["mode"]
            case "DELETE", ["mode", subject]:
                del self.modes[subject]
            case "POST", ["subjects", subject, "versions"]:
                assert self.modes[subject] == "IMPORT"
                id_ = body["id"] if self._keeps_ids else 1
                self.subjects.setdefault(subject, {})[body["version"]] = (id_, body["schema"])
        return httpx.Response(200, json={})


SAVED = (SavedSchema("p.a", 1, 41, '"long"'), SavedSchema("p.a", 2, 42, '"string"'))


def over(server: Confluent) -> Registry:
    client = httpx.Client(transport=httpx.MockTransport(server))
    return Registry(client, "http://registry")


def test_mode_import_keeps_ids_and_is_left_afterwards() -> None:
    server = Confluent()
    restore_schemas(over(server), missing_schemas(over(server), SAVED, "p."), None, "p.")
    assert over(server).schemas("p.") == SAVED
    assert server.modes == {}


def test_a_second_version_is_imported_and_the_mode_is_then_what_it_was() -> None:
    server = Confluent()
    restore_schemas(over(server), SAVED[:1], None, "p.")
    server.modes["p.a"] = "READONLY"
    restore_schemas(over(server), missing_schemas(over(server), SAVED, "p."), None, "p.")
    assert over(server).schemas("p.") == SAVED
    assert server.modes == {"p.a": "READONLY"}


def test_a_page_of_a_proxy_is_no_registry() -> None:
    page = httpx.MockTransport(lambda _: httpx.Response(200, html="<html>Sign in</html>"))
    with pytest.raises(SetupError, match=r"text/html.*CLICKSTREAM_SCHEMA_REGISTRY_URL"):
        Registry(httpx.Client(transport=page), "http://registry").schemas("p.")


def test_a_registry_that_assigns_other_ids_is_refused() -> None:
    server = Confluent(keeps_ids=False)
    with pytest.raises(SetupError, match=r"mean p\.a version 1"):
        restore_schemas(over(server), SAVED, None, "p.")
