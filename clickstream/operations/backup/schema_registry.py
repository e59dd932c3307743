"""The registry's schemas with their ids: records in Kafka name a schema by its id, for ever.

Two ways bring ids back: Confluent's mode IMPORT, in which a schema is registered with its version
and its id (Confluent, Redpanda, Karapace), and Apicurio's own import of a ZIP file. Apicurio takes
mode IMPORT as well, and gives out ids of its own all the same; so every id is asked for afterwards.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import httpx

from clickstream.operations.backup.manifest import SavedSchema
from core.errors import RegistryUnavailable, SetupError
from core.settings import Settings
from schemas.compatibility import FULL_TRANSITIVE

_TIMEOUT_SECONDS: Final = 15.0
_JSON: Final = {"content-type": "application/vnd.schemaregistry.v1+json"}
_NOT_FOUND: Final = 404

# Below this path Apicurio has its Confluent API, and beside it its own.
_APICURIO: Final = "/apis/ccompat/"
_APICURIO_OWN: Final = "/apis/registry/v3/admin"


class Registry:
    """Over HTTP. Every method blocks and raises RegistryUnavailable when no answer comes."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = client
        self._url = url.rstrip("/")

    @property
    def _own(self) -> str | None:
        """Apicurio's API; None for another registry."""
        base, found, _ = self._url.partition(_APICURIO)
        return base + _APICURIO_OWN if found else None

    def schemas(self, prefix: str) -> tuple[SavedSchema, ...]:
        """Every version of every subject whose name begins so."""
        subjects = [name for name in self._get("/subjects") or () if name.startswith(prefix)]
        return tuple(
            SavedSchema(subject, int(found["version"]), int(found["id"]), found["schema"])
            for subject in sorted(subjects)
            for version in self._get(f"/subjects/{_part(subject)}/versions") or ()
            if (found := self._get(f"/subjects/{_part(subject)}/versions/{version}")) is not None
        )

    def text_of(self, schema_id: int) -> str | None:
        """The schema of an id; None for an id that was never given out."""
        found = self._get(f"/schemas/ids/{schema_id}")
        return None if found is None else str(found["schema"])

    def export(self, prefix: str) -> bytes | None:
        """Apicurio's export, reduced to these subjects; None of another registry."""
        if self._own is None:
            return None
        answer = self._send("GET", f"{self._own}/export")
        return reduce_export(answer.content, prefix)

    def load_export(self, export: bytes) -> None:
        """Add what an export holds. Apicurio alone."""
        self._send(
            "POST",
            f"{self._own}/import?requireEmptyRegistry=false",
            content=export,
            headers={"content-type": "application/zip"},
        )

    def load_one(self, schema: SavedSchema) -> None:
        """Register it under its id, in mode IMPORT."""
        subject = _part(schema.subject)
        self._put(f"/mode/{subject}", {"mode": "IMPORT"})
        try:
            body = {"schema": schema.text, "version": schema.version, "id": schema.schema_id}
            self._send(
                "POST",
                f"{self._url}/subjects/{subject}/versions",
                content=json.dumps(body).encode(),
                headers=_JSON,
            )
        finally:
            self._put(f"/mode/{subject}", {"mode": "READWRITE"})
        self._put(f"/config/{subject}", {"compatibility": FULL_TRANSITIVE})

    @property
    def takes_exports(self) -> bool:
        return self._own is not None

    def _get(self, path: str) -> Any:
        """None when there is no such thing."""
        answer = self._ask("GET", self._url + path)
        if answer.status_code == _NOT_FOUND:
            return None
        return self._checked(answer).json()

    def _put(self, path: str, body: Mapping[str, str]) -> None:
        self._send("PUT", self._url + path, content=json.dumps(body).encode(), headers=_JSON)

    def _send(self, method: str, url: str, **what: Any) -> httpx.Response:
        return self._checked(self._ask(method, url, **what))

    def _ask(self, method: str, url: str, **what: Any) -> httpx.Response:
        try:
            return self._client.request(method, url, **what)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(
                f"the schema registry at {self._url} does not answer ({error}): start it, or set"
                " CLICKSTREAM_SCHEMA_REGISTRY_URL"
            ) from error

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        raise SetupError(
            f"the schema registry at {self._url} refuses, with HTTP {answer.status_code}:"
            f" {answer.text[:300]}"
        )


@contextmanager
def open_registry(settings: Settings) -> Iterator[Registry]:
    """The one that the settings name. SetupError for what is no URL."""
    parts = urlsplit(settings.schema_registry_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SetupError("CLICKSTREAM_SCHEMA_REGISTRY_URL is not an http(s) URL")
    user = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    with httpx.Client(
        timeout=_TIMEOUT_SECONDS, auth=user, verify=settings.https_ca_file or True
    ) as client:
        yield Registry(client, url)


def missing(registry: Registry, saved: Sequence[SavedSchema], prefix: str) -> list[SavedSchema]:
    """Those that the registry does not have yet. SetupError when it can never have them under their
    ids, because an id or a subject is taken by something else."""
    there = {(each.subject, each.version): each for each in registry.schemas(prefix)}
    lacking = []
    for schema in saved:
        mine, text = there.get((schema.subject, schema.version)), registry.text_of(schema.schema_id)
        taken = text is not None and not _same(text, schema.text)
        if taken or (mine is not None and mine.schema_id != schema.schema_id):
            raise _clash(schema)
        if mine is None:
            lacking.append(schema)
    return lacking


def bring_back(
    registry: Registry, lacking: Sequence[SavedSchema], export: bytes | None, prefix: str
) -> None:
    """Register what is lacking, and see that every id is right. SetupError otherwise."""
    if not lacking:
        return
    if registry.takes_exports and export is not None:
        registry.load_export(export)
    else:
        for schema in lacking:
            registry.load_one(schema)
    if wrong := missing(registry, lacking, prefix):
        raise _clash(wrong[0])


def reduce_export(export: bytes, prefix: str) -> bytes:
    """Only the artifacts whose name begins so, and their contents. Pure."""
    source, reduced = zipfile.ZipFile(io.BytesIO(export)), io.BytesIO()
    ours = [name for name in source.namelist() if _is_ours(name, prefix)]
    contents = {
        json.loads(source.read(name))["contentId"]
        for name in ours
        if name.endswith(".ArtifactVersion.json")
    }
    with zipfile.ZipFile(reduced, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            if name.startswith("content/"):
                described = name.rpartition(".Content.")[0] + ".Content.json"
                keep = json.loads(source.read(described))["contentId"] in contents
            else:
                keep = name in ours or name.endswith(".Manifest.json")
            if keep:
                target.writestr(name, source.read(name))
    return reduced.getvalue()


def _is_ours(name: str, prefix: str) -> bool:
    match name.split("/"):
        case ["groups", _, "artifacts", artifact, _, *_]:
            return unquote(artifact).startswith(prefix)
    return False


def _clash(schema: SavedSchema) -> SetupError:
    return SetupError(
        f"records in Kafka name schema {schema.schema_id} and mean {schema.subject} version"
        f" {schema.version}, and the schema registry has something else under this id, or this"
        " schema under another: start from an empty registry (before any other process of"
        " clickstream uses it), or from its own backup, and restore again"
    )


def _same(one: str, other: str) -> bool:
    return bool(json.loads(one) == json.loads(other))


def _part(subject: str) -> str:
    return quote(subject, safe="")
