"""The manifest: what a backup holds. Pure.

It is written last. A folder without a manifest is not a backup.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec

from core.errors import SetupError
from core.settings import Settings
from schemas.sql_files import SqlFile

# Increase it when an older `restore` cannot read the files.
FORMAT: Final = 2


@dataclass(frozen=True, slots=True)
class SavedTable:
    """A table: the number of rows that readers see, and a checksum of them in any order."""

    name: str
    rows: int
    checksum: int


@dataclass(frozen=True, slots=True)
class SavedTopic:
    """A topic, with Kafka's own id, which changes when the topic is deleted and created again.

    `committed` has the committed offset of each partition when the backup began, None where there
    was none. `ends` has the offset of the next record of each partition at that time.
    """

    name: str
    topic_id: str
    config: Mapping[str, str]
    committed: Sequence[int | None]
    ends: Sequence[int]


@dataclass(frozen=True, slots=True)
class SavedSchema:
    """One version of one subject, with the schema id that records carry."""

    subject: str
    version: int
    schema_id: int
    text: str


@dataclass(frozen=True, slots=True)
class SavedMigration:
    """A migration that was applied to the database."""

    path: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `database` is the name of the tables' database inside it."""

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
    """SHA-256 of the registry's own export; None where the registry cannot make one."""
    shards: int = 0
    """Of the cluster that it was taken of; 0: of one server."""

    def topic(self, name: str) -> SavedTopic | None:
        """The topic of this name; None when it did not exist."""
        return next((topic for topic in self.topics if topic.name == name), None)


def to_json(manifest: Manifest) -> str:
    """The text of manifest.json, with a checksum of itself."""
    body = {"format": FORMAT, **asdict(manifest)}
    return json.dumps({**body, "checksum": _checksum(body)}, indent=2, ensure_ascii=False) + "\n"


def from_json(text: str, location: str) -> Manifest:
    """Read the text of manifest.json; `location` is named in errors.

    Raises SetupError when the text is damaged, was changed, or has another format.
    """
    try:
        body = dict(json.loads(text))
        checksum, format_ = body.pop("checksum"), body["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(location) from error
    if format_ != FORMAT:
        raise SetupError(
            f"{location} has format {format_}, and this version of clickstream reads {FORMAT}:"
            f" restore it with clickstream {body.get('clickstream', 'of a newer version')}"
        )
    if checksum != _checksum(body):
        raise SetupError(
            f"{location}: manifest.json is not what `clickstream backup` wrote: it was changed or"
            " is damaged. Take another backup"
        )
    try:
        return msgspec.convert(body, Manifest)
    except msgspec.ValidationError as error:
        raise _damaged(location) from error


def check_migrations(manifest: Manifest, known: Sequence[SqlFile]) -> None:
    """Raises SetupError when the backup has a migration that this version does not have, or has
    with another text."""
    ours = {each.path: each.checksum for each in known}
    for saved in manifest.migrations:
        if ours.get(saved.path) != saved.checksum:
            raise SetupError(
                f"the backup has {saved.path}, which this version of clickstream does not have"
                f" or has otherwise: restore it with clickstream {manifest.clickstream} or newer,"
                " the version that made it"
            )


def check_settings(manifest: Manifest, settings: Settings) -> None:
    """Raises SetupError when the settings name other topics than those of the backup."""
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
            " topics were deleted and created again since"
        )


def check_shards(manifest: Manifest, shards: int) -> None:
    """Raises SetupError for a backup of another number of shards: each shard gets its own rows
    back, and would be asked for others."""
    if manifest.shards != shards:
        was, is_now = (f"{n} shards" if n else "one server" for n in (manifest.shards, shards))
        raise SetupError(
            f"the backup is of {was}, and the tables are to be on {is_now}: restore it where there"
            " are as many, and copy the rows from there"
        )


def _damaged(location: str) -> SetupError:
    return SetupError(f"{location}: its manifest.json is damaged: take another backup")


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
