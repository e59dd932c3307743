"""Where an HTTP command listens: the settings, and over them what the command line says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.settings import Settings


def settings_listening(host: str | None, port: int | None) -> Settings:
    """The settings with these in place; None leaves the setting. Logs and traces are set up by
    them."""
    from clickstream.local.target_settings import process_settings
    from core.logging import configure_logging
    from core.tracing import configure_tracing

    settings = process_settings()
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    configure_logging(settings.log_level, settings.log_format)
    configure_tracing(settings, "http")
    return settings.model_copy(update={"http": settings.http.model_copy(update=given)})
