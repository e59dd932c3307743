"""nginx in front of a server, with the defaults of its proxy.

By default nginx asks the server behind it in HTTP/1.0 and opens a connection for each request,
whatever its own clients do.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.lab import Lab, loopback_port
from core.settings import Settings

MISSING: Final = "nginx is not installed, so nothing was measured behind it: apt install nginx"

# Nothing here is a setting of the proxy: it runs in the foreground, unprivileged, in one folder.
_CONFIGURATION: Final = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass {url}; }}
    }}
}}
"""


def is_installed() -> bool:
    """Whether `in_front_of` can work."""
    return shutil.which("nginx") is not None


def command(folder: Path, port: int, url: str) -> list[str]:
    """Write the configuration into the folder; the command line that serves `url` on that port."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "nginx.conf"
    file.write_text(_CONFIGURATION.format(folder=folder, port=port, url=url))
    return [shutil.which("nginx") or "nginx", "-e", "stderr", "-p", str(folder), "-c", str(file)]


@contextmanager
def in_front_of(url: str, lab: Lab, settings: Settings) -> Iterator[str]:
    """The URL at which nginx passes on to the server at `url`, which answers already."""
    port = loopback_port()
    front = f"http://127.0.0.1:{port}"
    with lab.process("nginx", command(lab.folder / "nginx", port, url), settings, url=front):
        yield front
