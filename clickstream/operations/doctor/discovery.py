"""Which system to look at: the running `clickstream up`, or the servers that the settings name."""

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
class Target:
    """A system. `http_is_ours`: a running `up` has said that it listens at `http_url`."""

    settings: Settings
    http_url: str
    http_is_ours: bool


def find_target(data_dir: Path | None = None, http_url: str | None = None) -> Target:
    """The `up` on `data_dir`, else servers that were set explicitly, else the `up` on the default
    folder, else the settings' defaults. SetupError when `data_dir` is given and nothing runs there.
    """
    settings = Settings()
    endpoints = None
    if data_dir is not None or not has_explicit_servers(settings):
        endpoints = load_endpoints(data_dir or default_data_directory())
    if data_dir is not None and endpoints is None:
        raise SetupError(f"no `clickstream up` is running on {data_dir}")
    if endpoints is None:
        return Target(settings, http_url or _own_url(settings), http_is_ours=False)
    return Target(
        settings_for(endpoints), http_url or endpoints.http, http_is_ours=http_url is None
    )


def _own_url(settings: Settings) -> str:
    host = "127.0.0.1" if settings.http.host in _ANY_ADDRESS else settings.http.host
    return f"http://{host}:{settings.http.port}"
