"""`clickstream api`: one read process against the servers named by the settings."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    host: Annotated[str | None, typer.Option(help="Address; CLICKSTREAM_HTTP__HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; CLICKSTREAM_HTTP__PORT.")] = None,
) -> None:
    """Serve the read API: GET /session, /analytics/…, /export/sessions."""
