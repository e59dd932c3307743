"""What a backup says of itself. Pure. It is written last: without it there is no backup."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from core.errors import SetupError
from core.settings import Settings
from schemas.migrate import Migration

# Raised when an older `restore` could not make sense of the files.
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class SavedTable:
    """Rows that readers see, and a checksum of all their columns, whatever their order."""

    name: str
    rows: int
    checksum: int


@dataclass(frozen=True, slots=True)
class SavedTopic:
    """A topic by Kafka's own id, which is another one when the topic is made anew.

    `committed`: per partition, up to where the workers had written when the backup began (None:
    they never said). `ends`: the offset that the next record would have got then.
    """

    name: str
    topic_id: str
    config: Mapping[str, str]
    committed: Sequence[int | None]
    ends: Sequence[int]


@dataclass(frozen=True, slots=True)
class SavedSchema:
    """One version of one subject, and the id that records carry."""

    subject: str
    version: int
    schema_id: int
    text: str


@dataclass(frozen=True, slots=True)
class SavedMigration:
    """One that the saved database had."""

    number: int
    name: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`database` is the name that the tables have inside the ClickHouse backup."""

    clickstream: str
    taken_at: str
    database: str
    prefix: str
    partitions: int
    epoch: int
    group: str
    tables: tuple[SavedTable, ...]
    topics: tuple[SavedTopic, ...]
    schemas: tuple[SavedSchema, ...]
    migrations: tuple[SavedMigration, ...]
    registry_checksum: str | None
    """Of the registry's own export, where it can make one."""

    def topic(self, name: str) -> SavedTopic | None:
        """None for one that was not there."""
        return next((topic for topic in self.topics if topic.name == name), None)


def write(manifest: Manifest) -> str:
    """JSON text for people and for `read`."""
    body = {"format": FORMAT, **asdict(manifest)}
    return json.dumps({**body, "checksum": _checksum(body)}, indent=2, ensure_ascii=False) + "\n"


def read(text: str, place: str) -> Manifest:
    """Raises SetupError for a text that is damaged, altered, or of a newer format."""
    try:
        body = dict(json.loads(text))
        checksum, format_ = body.pop("checksum"), body["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise SetupError(f"{place}: its manifest.json is damaged: take another backup") from error
    if format_ != FORMAT:
        raise SetupError(
            f"{place} has format {format_}, and this version of clickstream reads {FORMAT}: restore"
            f" it with clickstream {body.get('clickstream', 'of a newer version')}"
        )
    if checksum != _checksum(body):
        raise SetupError(
            f"{place}: manifest.json is not what `clickstream backup` wrote: it was changed or is"
            " damaged. Take another backup"
        )
    return _manifest(body)


def check_migrations(manifest: Manifest, known: Sequence[Migration]) -> None:
    """The saved tables are of this version, or of an older one. Raises SetupError."""
    ours = {each.number: each for each in known}
    for saved in manifest.migrations:
        mine = ours.get(saved.number)
        name = f"{saved.number:04d}_{saved.name}"
        if mine is None or mine.name != saved.name or mine.checksum != saved.checksum:
            raise SetupError(
                f"the backup has migration {name}, which this version of clickstream does not have"
                f" or has otherwise: restore it with clickstream {manifest.clickstream} or newer,"
                " the version that made it"
            )


def check_settings(manifest: Manifest, settings: Settings) -> None:
    """The settings mean the topics that the rows came from. Raises SetupError."""
    topics = settings.topics
    for name, saved, mine in (
        ("PREFIX", manifest.prefix, topics.prefix),
        ("PARTITIONS", manifest.partitions, topics.partitions),
    ):
        if saved != mine:
            raise SetupError(
                f"the backup was taken with CLICKSTREAM_TOPICS__{name}={saved}, and it is {mine}"
                " now: set it as it was"
            )
    if topics.epoch < manifest.epoch:
        raise SetupError(
            f"the backup was taken with CLICKSTREAM_TOPICS__EPOCH={manifest.epoch}, and it is"
            f" {topics.epoch} now: set it to {manifest.epoch}, or to {manifest.epoch + 1} if the"
            " topics were made anew since"
        )


def _manifest(body: Mapping[str, Any]) -> Manifest:
    fields = {name: value for name, value in body.items() if name != "format"}
    return Manifest(
        **{
            **fields,
            "tables": _all(SavedTable, body["tables"]),
            "topics": _all(SavedTopic, body["topics"]),
            "schemas": _all(SavedSchema, body["schemas"]),
            "migrations": _all(SavedMigration, body["migrations"]),
        }
    )


def _all(kind: Any, rows: Iterable[Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple(kind(**row) for row in rows)


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
