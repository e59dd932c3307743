"""Read the schemas with their ids from a registry, and restore them under the same ids.

Records in Kafka name their schema by its id. Two methods restore an id: Confluent's mode IMPORT,
which registers a schema with its version and its id (Confluent, Redpanda, Karapace), and Apicurio's
own import of a ZIP archive. Apicurio accepts mode IMPORT and still assigns ids of its own, so every
id is checked afterwards.
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

# The path of Apicurio's Confluent API, and of its own API on the same server.
_APICURIO: Final = "/apis/ccompat/"
_APICURIO_OWN: Final = "/apis/registry/v3/admin"


class Registry:
    """A registry over HTTP.

    Every method blocks. It raises RegistryUnavailable without an answer, SetupError for a refusal.
    """

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = client
        self._url = url.rstrip("/")

    @property
    def _apicurio_admin_url(self) -> str | None:
        """The URL of Apicurio's own API; None for another registry."""
        base, found, _ = self._url.partition(_APICURIO)
        return base + _APICURIO_OWN if found else None

    def schemas(self, prefix: str) -> tuple[SavedSchema, ...]:
        """Every version of every subject whose name begins with `prefix`."""
        subjects = [name for name in self._get("/subjects") or () if name.startswith(prefix)]
        return tuple(
            SavedSchema(subject, int(found["version"]), int(found["id"]), found["schema"])
            for subject in sorted(subjects)
            for version in self._get(f"/subjects/{_quoted(subject)}/versions") or ()
            if (found := self._get(f"/subjects/{_quoted(subject)}/versions/{version}")) is not None
        )

    def schema_by_id(self, schema_id: int) -> str | None:
        """The text of the schema with this id; None when no schema has it."""
        found = self._get(f"/schemas/ids/{schema_id}")
        return None if found is None else str(found["schema"])

    def export(self, prefix: str) -> bytes | None:
        """Apicurio's export of the subjects that begin with `prefix`; None for another registry."""
        if self._apicurio_admin_url is None:
            return None
        answer = self._send("GET", f"{self._apicurio_admin_url}/export")
        return filter_export(answer.content, prefix)

    def import_archive(self, export: bytes) -> None:
        """Import such an export. Only Apicurio can do it."""
        self._send(
            "POST",
            f"{self._apicurio_admin_url}/import?requireEmptyRegistry=false",
            content=export,
            headers={"content-type": "application/zip"},
        )

    def import_subject(self, subject: str, schemas: Sequence[SavedSchema]) -> None:
        """Register these schemas of one subject under their ids, in mode IMPORT.

        The mode of the subject is afterwards what it was. The level of compatibility is set first,
        so that no other client registers anything without it.
        """
        name = _quoted(subject)
        self._put(f"/config/{name}", {"compatibility": FULL_TRANSITIVE})
        before = (self._get(f"/mode/{name}") or {}).get("mode")
        # Without force a registry refuses the mode for a subject that has a schema already.
        self._put(f"/mode/{name}?force=true", {"mode": "IMPORT"})
        try:
            for schema in sorted(schemas, key=lambda each: each.version):
                body = {"schema": schema.text, "version": schema.version, "id": schema.schema_id}
                self._send(
                    "POST",
                    f"{self._url}/subjects/{name}/versions",
                    content=json.dumps(body).encode(),
                    headers=_JSON,
                )
        finally:
            if before is None:
                self._send("DELETE", f"{self._url}/mode/{name}")
            else:
                self._put(f"/mode/{name}", {"mode": before})

    @property
    def supports_archives(self) -> bool:
        """Whether `export` and `import_archive` work."""
        return self._apicurio_admin_url is not None

    def _get(self, path: str) -> Any:
        """The JSON of the answer; None for a 404."""
        answer = self._ask("GET", self._url + path)
        if answer.status_code == _NOT_FOUND:
            return None
        answer = self._checked(answer)
        try:
            return answer.json()
        except ValueError as error:
            raise SetupError(
                f"what answers at {self._url} is no schema registry, or a proxy before it (it sends"
                f" {answer.headers.get('content-type', 'no content type')}): set"
                " CLICKSTREAM_SCHEMA_REGISTRY_URL"
            ) from error

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
    """The registry that the settings name."""
    parts = urlsplit(settings.schema_registry_url)
    user = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    with httpx.Client(
        timeout=_TIMEOUT_SECONDS, auth=user, verify=settings.https_ca_file or True
    ) as client:
        yield Registry(client, url)


def missing_schemas(
    registry: Registry, saved: Sequence[SavedSchema], prefix: str
) -> list[SavedSchema]:
    """The schemas that the registry does not have.

    Raises SetupError when an id or a subject is taken by another schema: the registry can then not
    have ours under their ids.
    """
    registered = {(each.subject, each.version): each for each in registry.schemas(prefix)}
    missing = []
    for schema in saved:
        mine, text = (
            registered.get((schema.subject, schema.version)),
            registry.schema_by_id(schema.schema_id),
        )
        taken = text is not None and not _same(text, schema.text)
        if taken or (mine is not None and mine.schema_id != schema.schema_id):
            raise _id_conflict(schema)
        if mine is None:
            missing.append(schema)
    return missing


def restore_schemas(
    registry: Registry, missing: Sequence[SavedSchema], export: bytes | None, prefix: str
) -> None:
    """Register the missing schemas, and check every id. Raises SetupError when one is wrong."""
    if not missing:
        return
    if registry.supports_archives and export is not None:
        registry.import_archive(export)
    else:
        for subject, schemas in _by_subject(missing).items():
            registry.import_subject(subject, schemas)
    if wrong := missing_schemas(registry, missing, prefix):
        raise _id_conflict(wrong[0])


def _by_subject(schemas: Sequence[SavedSchema]) -> dict[str, list[SavedSchema]]:
    found: dict[str, list[SavedSchema]] = {}
    for schema in schemas:
        found.setdefault(schema.subject, []).append(schema)
    return found


def filter_export(export: bytes, prefix: str) -> bytes:
    """Apicurio's archive without the artifacts whose name does not begin with `prefix`. Pure."""
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


def _id_conflict(schema: SavedSchema) -> SetupError:
    return SetupError(
        f"records in Kafka name schema {schema.schema_id} and mean {schema.subject} version"
        f" {schema.version}, and the schema registry has something else under this id, or this"
        " schema under another: start from an empty registry (before any other process of"
        " clickstream uses it), or from its own backup, and restore again"
    )


def _same(one: str, other: str) -> bool:
    return bool(json.loads(one) == json.loads(other))


def _quoted(subject: str) -> str:
    return quote(subject, safe="")
