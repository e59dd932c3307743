"""The schema registry: what we ask of it, and the real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from core.errors import RegistryUnavailable, SchemaIncompatible, SetupError
from core.settings import Settings

T = TypeVar("T")

# Error codes of the Confluent API. A 404 without one of them comes from something else than a
# registry (a wrong path, a proxy) and says nothing about a schema.
_UNKNOWN_SUBJECT: Final = 40401
_UNKNOWN_SCHEMA: Final = 40403
_NO_OWN_COMPATIBILITY: Final = 40408
_INCOMPATIBLE_STATUS: Final = 409
_INVALID_STATUS: Final = 422

# A registry answers in milliseconds; longer than this and the caller had better retry.
_TIMEOUT_SECONDS: Final = 5
_RETRIES: Final = 2


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """The newest version of a subject."""

    subject: str
    version: int
    schema_id: int
    text: str


class SchemaRegistry(Protocol):
    """Schemas by id, and the versions of each subject. Every method blocks for an HTTP call at
    most, may be called from any thread, and raises RegistryUnavailable when no answer comes."""

    def register(self, subject: str, schema: str) -> int:
        """The id of `schema` under `subject`, made a new version if it is not one already.

        Idempotent. Raises SchemaIncompatible when the subject's level forbids it, or when it is no
        Avro schema.
        """
        ...

    def schema(self, schema_id: int) -> str:
        """The JSON text registered under an id. Raises LookupError for an id never given out."""
        ...

    def confirm(self, schema_id: int, schema: str) -> None:
        """Returns when the registry itself, not a cache, has this schema under this id.

        Raises RegistryUnavailable otherwise: a registry that was emptied, or is another one, does
        not know a foreign id either, and what it answers says nothing about a record.
        """
        ...

    def latest(self, subject: str) -> RegisteredSchema | None:
        """The newest version of a subject; None for a subject that is not there."""
        ...

    def is_compatible(self, subject: str, schema: str) -> bool:
        """Whether `register` would take it as a new version; true for a new subject."""
        ...

    def set_compatibility(self, subject: str, level: str) -> None:
        """Hold future versions of a subject to `level`, e.g. FULL_TRANSITIVE. Idempotent."""
        ...


class ConfluentRegistry:
    """A registry that speaks Confluent's API (Confluent, Apicurio, Redpanda, Karapace).

    `url` may carry user:password; `ca_file` has the authorities to trust, if not the system's.
    Schemas are cached by id: an id never changes its meaning.
    """

    def __init__(
        self,
        url: str,
        ca_file: str | None = None,
        *,
        request_seconds: float = _TIMEOUT_SECONDS,
        retries: int = _RETRIES,
    ) -> None:
        self._place = _without_password(url)
        self._url = url
        self._ca_file = ca_file
        try:
            self._client = _client(url, ca_file, request_seconds, retries)
        except ValueError as error:
            raise SetupError(
                f"CLICKSTREAM_SCHEMA_REGISTRY_URL is {self._place!r}: not an http(s) URL"
            ) from error

    @classmethod
    def from_settings(cls, settings: Settings) -> ConfluentRegistry:
        """The one that the settings name."""
        return cls(settings.schema_registry_url, settings.https_ca_file)

    def register(self, subject: str, schema: str) -> int:
        try:
            schema_id = self._ask(lambda: self._client.register_schema(subject, _avro(schema)))
        except LookupError as error:
            raise self._unavailable(f"it says {error} to a new schema") from error
        if not isinstance(schema_id, int):
            raise self._unavailable("an answer without an id")
        return schema_id

    def schema(self, schema_id: int) -> str:
        return self._ask(lambda: self._client.get_schema(schema_id).schema_str) or ""

    def confirm(self, schema_id: int, schema: str) -> None:
        # A new client: ours would answer from its cache.
        with _client(self._url, self._ca_file) as uncached:
            try:
                found = self._ask(lambda: uncached.get_schema(schema_id).schema_str)
            except LookupError:
                found = None
        if found is None or not _is_same(found, schema):
            raise another_registry(self._place, schema_id)

    def latest(self, subject: str) -> RegisteredSchema | None:
        try:
            found = self._ask(lambda: self._client.get_latest_version(subject))
        except LookupError:
            return None
        # The library types every part as optional; an answer without them is no answer.
        version, schema_id, schema = found.version, found.schema_id, found.schema
        if version is None or schema_id is None or schema is None:
            raise self._unavailable("an incomplete answer")
        return RegisteredSchema(subject, version, schema_id, schema.schema_str or "")

    def is_compatible(self, subject: str, schema: str) -> bool:
        try:
            return self._ask(
                lambda: self._client.test_compatibility_all_versions(subject, _avro(schema))
            )
        except LookupError:
            return True

    def set_compatibility(self, subject: str, level: str) -> None:
        self._ask(lambda: self._client.set_compatibility(subject, level))

    def subjects(self) -> list[str]:
        """The names of all subjects."""
        return self._ask(self._client.get_subjects)

    def compatibility(self, subject: str) -> str:
        """The compatibility level of a subject: its own, or that of the registry."""
        try:
            return self._ask(lambda: self._client.get_compatibility(subject))
        except LookupError:
            return self._ask(self._client.get_compatibility)

    def close(self) -> None:
        """Close the connections. The registry cannot be used afterwards."""
        self._client.close()

    def __enter__(self) -> ConfluentRegistry:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except SchemaRegistryError as error:
            if error.error_code in (_UNKNOWN_SUBJECT, _UNKNOWN_SCHEMA, _NO_OWN_COMPATIBILITY):
                raise LookupError(error.error_message) from error
            if error.http_status_code in (_INCOMPATIBLE_STATUS, _INVALID_STATUS):
                raise SchemaIncompatible(
                    f"the schema registry refuses: {error.error_message}"
                ) from error
            raise self._unavailable(f"HTTP {error.http_status_code}") from error
        except httpx2.HTTPError as error:
            raise self._unavailable(str(error) or type(error).__name__) from error
        # What the library makes of a 200 that is no registry's: a login page, `{}`, `[]`.
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise self._unavailable(f"an unreadable answer, {type(error).__name__}") from error

    def _unavailable(self, what: str) -> RegistryUnavailable:
        return RegistryUnavailable(
            f"the schema registry at {self._place} does not answer as one ({what}): start it, or"
            " set CLICKSTREAM_SCHEMA_REGISTRY_URL (with its path, such as /apis/ccompat/v7)",
            public="the schema registry does not answer as one: try again later",
        )


def _client(
    url: str,
    ca_file: str | None,
    request_seconds: float = _TIMEOUT_SECONDS,
    retries: int = _RETRIES,
) -> SchemaRegistryClient:
    """Raises ValueError for what is no URL, SetupError for a library whose errors are not ours."""
    trust = {"ssl.ca.location": ca_file} if ca_file else {}
    client = SchemaRegistryClient(
        {
            "url": url,
            **trust,
            "timeout": request_seconds,
            "max.retries": retries,
            "retries.wait.ms": 200,
            "retries.max.wait.ms": 1000,
        }
    )
    # An outage of the registry is told by the errors of the HTTP library inside.
    if not isinstance(client._rest_client.session, httpx2.Client):
        raise SetupError(
            "confluent-kafka does not speak to the schema registry through httpx2: install the"
            " versions that this release names (`pip install --upgrade clickstream`)"
        )
    return client


def another_registry(place: str, schema_id: int) -> RegistryUnavailable:
    """What `confirm` raises: the registry at `place` has something else under our own id."""
    return RegistryUnavailable(
        f"the schema registry at {place} no longer has our own schema as id {schema_id}: it was"
        " emptied, or is another one. No record becomes a dead letter because of it: restore it, or"
        " restart the workers when it is meant to be new"
    )


def _is_same(found: str, schema: str) -> bool:
    try:
        return bool(json.loads(found) == json.loads(schema))
    except ValueError:
        return False


def _avro(schema: str) -> Schema:
    return Schema(schema, "AVRO")


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(unreadable)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
