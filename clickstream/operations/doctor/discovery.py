"""Which system to check: the running `clickstream up`, or the servers of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clickstream.local.data_directory import default_data_directory
from clickstream.local.endpoints import load_endpoints
from clickstream.local.target_settings import has_explicit_servers, settings_for
from core.errors import SetupError
from core.settings import Settings

_ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class DiscoveredSystem:
    """The settings and the HTTP URL of a system. `http_expected`: a running `up` names that URL."""

    settings: Settings
    http_url: str
    http_expected: bool


def discover(data_dir: Path | None = None, http_url: str | None = None) -> DiscoveredSystem:
    """The first of these that there is: the `up` on `data_dir`, servers that were set explicitly,
    the `up` on the default folder, the defaults of the settings.

    Raises SetupError when `data_dir` is given and no `up` runs there.
    """
    settings = Settings()
    endpoints = None
    if data_dir is not None or not has_explicit_servers(settings):
        endpoints = load_endpoints(data_dir or default_data_directory())
    if data_dir is not None and endpoints is None:
        raise SetupError(f"no `clickstream up` is running on {data_dir}")
    if endpoints is None:
        return DiscoveredSystem(settings, http_url or _own_url(settings), http_expected=False)
    return DiscoveredSystem(
        settings_for(endpoints), http_url or endpoints.http, http_expected=http_url is None
    )


def _own_url(settings: Settings) -> str:
    host = "127.0.0.1" if settings.http.host in _ANY_ADDRESS else settings.http.host
    return f"http://{host}:{settings.http.port}"
