"""Which servers a command works on: those of the settings, or of the `clickstream up` beside it."""

from __future__ import annotations

from typing import Final

from pydantic import SecretStr

from clickstream.local.data_directory import default_data_directory
from clickstream.local.endpoints import Endpoints, load_endpoints
from core.settings import Settings

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


def has_explicit_servers(settings: Settings) -> bool:
    """Whether a server was set, and not only its default is there."""
    return bool(_SERVERS & settings.model_fields_set)


def settings_for(endpoints: Endpoints) -> Settings:
    """The operator's settings, with that system's servers."""
    return Settings(
        kafka_bootstrap_servers=endpoints.kafka,
        schema_registry_url=endpoints.registry,
        clickhouse_url=SecretStr(endpoints.clickhouse),
    )
