"""Reads the URLs and the file of the settings that name servers, before anything is done with them.

Raises ValueError with what is wrong, and never shows a user or a password.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

_DEFAULT_DATABASE: Final = "clickstream"
_DEFAULT_PORTS: Final = {"http": 8123, "https": 8443}
_DATABASE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_CLICKHOUSE: Final = "http://user:pass@host:8123/clickstream"
_REGISTRY: Final = "http://user:pass@host:8081/apis/ccompat/v7"


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of CLICKSTREAM_CLICKHOUSE_URL. Its repr and `url` contain no password."""

    scheme: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def clickhouse_address(url: str) -> Address:
    """Parse `http(s)://user:pass@host:port/database`."""
    parts, host, port = _http_url(url, _CLICKHOUSE)
    if parts.query or parts.fragment:
        raise ValueError(f"options after ? or # are not taken; it should look like {_CLICKHOUSE}")
    database = unquote(parts.path.strip("/")) or _DEFAULT_DATABASE
    if not _DATABASE_NAME.fullmatch(database):
        raise ValueError(
            f"{database!r} is no database name of letters, digits and underscores; it should look"
            f" like {_CLICKHOUSE}"
        )
    return Address(
        scheme=parts.scheme,
        host=host,
        port=port or _DEFAULT_PORTS[parts.scheme],
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=database,
    )


def check_registry_urls(urls: str) -> str:
    """The same text, if it is a URL of a schema registry, or several that are separated by
    commas."""
    for url in urls.split(","):
        _http_url(url.strip(), _REGISTRY)
    return urls


def check_ca_file(path: str | None) -> str | None:
    """The same path, if the file has certificates in PEM; nothing is a file that is not named."""
    if path:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except ssl.SSLError:
            raise ValueError(f"{path}: no certificates in PEM") from None
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from None
    return path


def _http_url(url: str, example: str) -> tuple[SplitResult, str, int | None]:
    """Its parts, host and port."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"it cannot be read; it should look like {example}") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError(
            f"it does not begin with http://host or https://host; it should look like {example}"
        )
    return parts, parts.hostname, port
