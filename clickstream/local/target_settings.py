"""Which servers a command works on: those of the settings, or of the `clickstream up` beside it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from clickstream.local.data_directory import default_data_directory
from clickstream.local.endpoints import (
    RELEASES,
    Endpoints,
    load_endpoints,
    with_declared_paths,
)
from core.errors import SetupError
from core.settings import Settings
from core.tls_check import refuse_tls_mistakes

_SERVERS: Final = {"kafka_bootstrap_servers", "schema_registry_url", "clickhouse_url"}


def operator_settings() -> Settings:
    """The settings of an operator's command.

    When any server is set, they are used as they are. When none is set, the servers are those of
    the `clickstream up` that runs on the default directory, if one does.
    """
    settings = Settings()
    if has_explicit_servers(settings):
        return settings
    endpoints = load_endpoints(default_data_directory())
    return settings if endpoints is None else settings_for(endpoints)


def process_settings() -> Settings:
    """The settings of an HTTP process or a worker: as `operator_settings`, but any one server may
    be set alone, as its defaults are those of containers beside it.

    Raises SetupError for a server that expects TLS and is not asked for it, or the other way round:
    waiting for it, as for one that is away, would never end.
    """
    settings = Settings()
    if has_explicit_servers(settings):
        refuse_tls_mistakes(settings)
        return settings
    endpoints = load_endpoints(default_data_directory())
    if endpoints is None:
        return settings
    print(f"using the servers of `clickstream up` on {endpoints.data_dir}", file=sys.stderr)
    return settings_for(endpoints)


def settings_to_change() -> Settings:
    """`operator_settings` for a command that changes what is stored; says on standard error where.

    Raises SetupError when some servers are set and others are not.
    """
    settings = operator_settings()
    _refuse_a_mixture(settings)
    clickhouse = urlsplit(settings.clickhouse_url.get_secret_value())
    print(
        f"target: Kafka {settings.kafka_bootstrap_servers}, ClickHouse"
        f" {clickhouse.netloc.rpartition('@')[2]}{clickhouse.path}",
        file=sys.stderr,
    )
    return settings


def _refuse_a_mixture(settings: Settings) -> None:
    """A server that was left out would be whatever runs on this machine's default port."""
    missing = sorted(_SERVERS - settings.model_fields_set)
    if missing and len(missing) < len(_SERVERS):
        names = " and ".join(f"CLICKSTREAM_{name.upper()}" for name in missing)
        raise SetupError(f"name all three servers, or none: {names} not set")


def has_explicit_servers(settings: Settings) -> bool:
    """Whether a server was set, and not only its default is there."""
    return bool(_SERVERS & settings.model_fields_set)


def settings_for(endpoints: Endpoints) -> Settings:
    """The operator's settings, with that system's servers and its releases."""
    settings = with_declared_paths(
        Settings(
            kafka_bootstrap_servers=endpoints.kafka,
            schema_registry_url=endpoints.registry,
            clickhouse_url=SecretStr(endpoints.clickhouse),
            clickhouse_cluster="",
        )
    )
    if settings.releases.uri:
        return settings
    folder = str(Path(endpoints.data_dir) / RELEASES)
    return settings.model_copy(
        update={"releases": settings.releases.model_copy(update={"uri": folder})}
    )
