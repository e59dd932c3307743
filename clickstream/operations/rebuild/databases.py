"""The databases of a replay, and the tables that move between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from core.clickhouse.client import database_of
from core.settings import Settings
from stream_processors.join import table_columns

# In the order in which they move. Sessions last, so that a flush that holds more than marks cannot
# end while only some of them are in place.
TABLES: Final = (
    table_columns.MARKS,
    table_columns.EVENTS,
    table_columns.UNJOINED,
    table_columns.DEAD_LETTERS,
    table_columns.SESSIONS,
)


@dataclass(frozen=True, slots=True)
class Databases:
    """`live` is what everybody uses; `shadow` holds the tables while they are rebuilt, `retired`
    the old ones from the moment at which they are taken away."""

    live: str
    shadow: str
    retired: str

    @classmethod
    def from_settings(cls, settings: Settings) -> Databases:
        live = database_of(settings)
        return cls(live, f"{live}_replay", f"{live}_retired")

    def kept(self, now_ms: int) -> str:
        """A name for old tables that stay: no later replay looks at it."""
        return f"{self.live}_before_{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%d_%H%M%S}"


def on_database(settings: Settings, database: str) -> Settings:
    """The same settings on another database of the same server."""
    url = urlsplit(settings.clickhouse_url.get_secret_value())
    elsewhere = SecretStr(url._replace(path=f"/{database}").geturl())
    return settings.model_copy(update={"clickhouse_url": elsewhere})
