"""Which environment variables a child process gets: a list of names, never all of ours.

Ours may hold API keys, passwords of Kafka and secrets of S3, and whatever else a shell exported.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Final

_NAMES: Final = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "TERM",
        "VIRTUAL_ENV",
        "JDK_JAVA_OPTIONS",  # more options of every Java program; ours come after them
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "DYLD_FALLBACK_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
    }
)
_PREFIXES: Final = ("LC_", "XDG_", "PYTHON", "COVERAGE_")

SETTINGS: Final = "CLICKSTREAM_"
"""The prefix of our settings, for children that are ours."""
AWS: Final = "AWS_"
"""The prefix of a host's credentials for S3, for ClickHouse's backups."""


def child_environment(more: Collection[str] = ()) -> dict[str, str]:
    """Our environment, as far as any program needs it. `more` are prefixes of further names."""
    prefixes = (*_PREFIXES, *more)
    return {
        name: value
        for name, value in os.environ.items()
        if name in _NAMES or name.startswith(prefixes)
    }
