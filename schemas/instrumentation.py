"""The checks of `schemas/views/_instrumentation_health.sql`."""

from __future__ import annotations

from typing import Final

HEALTH_CHECKS: Final = (
    "searches_without_events",
    "unlisted_clicks",
    "clicks_at_position_1",
    "one_user",
    "one_session",
    "one_event_id",
    "event_mix",
    "clock_skew",
    "posts_not_stored",
    "repeated_events",
    "placeholder_ids",
)
"""In the order in which they are told."""
