"""`clickstream api`: one process of the read side."""

from __future__ import annotations

from clickstream.commands.listen import settings_listening
from clickstream.commands.options import Host, Port


def api(
    host: Host = None,
    port: Port = None,
) -> None:
    """Serve the read API: sessions, analytics and exports over HTTP.

    On SIGTERM it finishes the requests under way."""
    from api.component import ReadComponent
    from clickstream.operations.erasure.eraser import eraser_of
    from core.http.app import build_app
    from core.http.server import run

    settings = settings_listening(host, port)
    run(build_app(settings, [ReadComponent(settings, eraser_of(settings))]), settings)
