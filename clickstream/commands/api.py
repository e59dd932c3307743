"""`clickstream api`: one process of the read side."""

from __future__ import annotations

from typing import Annotated

import typer

from clickstream.commands.listen import settings_listening


def command(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; CLICKSTREAM_HTTP__HOST.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on; CLICKSTREAM_HTTP__PORT.", min=1, max=65535),
    ] = None,
) -> None:
    """Serve sessions, analytics and exports over HTTP. On SIGTERM finishes what is under way."""
    from api.component import ReadComponent
    from clickstream.operations.erasure.eraser import eraser_of
    from core.http.app import build_app
    from core.http.server import run

    settings = settings_listening(host, port)
    run(build_app(settings, [ReadComponent(settings, eraser_of(settings))]), settings)
