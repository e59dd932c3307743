"""`clickstream edge`: one process of the write side, with or without the read side."""

from __future__ import annotations

from typing import Annotated

import typer

from clickstream.commands.listen import settings_listening
from clickstream.commands.options import Host, Port


def edge(
    host: Host = None,
    port: Port = None,
    with_api: Annotated[
        bool, typer.Option("--with-api", help="Serve the read API from this process too.")
    ] = False,
) -> None:
    """Serve the write API: sessions, events and marks over HTTP.

    On SIGTERM it finishes the requests under way."""
    from core.consistency.consistent_reader import ConsistentReader
    from core.http.app import Component, build_app
    from core.http.server import run
    from producers.component import WriteComponent
    from schemas.topics import Topics

    settings = settings_listening(host, port)
    reader = ConsistentReader.from_settings(settings, Topics.from_settings(settings))
    components: list[Component] = [WriteComponent.from_settings(settings, reader)]
    if with_api:
        from api.component import ReadComponent
        from clickstream.local.demo.sample.month import sample_posts
        from clickstream.operations.erasure.eraser import eraser_of

        has_keys = settings.write_keys or settings.read_keys or settings.admin_keys
        components.append(
            ReadComponent(
                settings,
                eraser_of(settings),
                reader,
                can_write=True,
                # Without keys the system is open, and on loopback: nobody's production.
                sample=None if has_keys else sample_posts,
            )
        )
    run(build_app(settings, components), settings)
