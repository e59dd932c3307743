"""A manifest is what was written, or is refused with what to do."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clickstream.operations.backup.manifest import (
    FORMAT,
    Manifest,
    SavedMigration,
    SavedSchema,
    SavedTable,
    SavedTopic,
    check_migrations,
    check_settings,
    from_json,
    to_json,
)
from core.errors import SetupError
from core.settings import Settings, TopicSettings
from schemas.sql_files import SqlFile

KNOWN = tuple(
    SqlFile(f"migrations/000{n}_a.sql", (f"ALTER TABLE a MODIFY COMMENT '{n}'",)) for n in (1, 2, 3)
)
MANIFEST = Manifest(
    clickstream="1.2.3",
    taken_at="2026-11-23T03:15:00+00:00",
    database="clickstream_backup",
    prefix="clickstream.",
    partitions=2,
    epoch=1,
    group="clickstream-sink",
    tables=(SavedTable("sessions", 3, 2**64 - 1),),
    topics=(SavedTopic("clickstream.sessions", "id", {"retention.ms": "1"}, [4, None], [5, 0]),),
    schemas=(SavedSchema("clickstream.sessions-value", 1, 7, '{"type":"long"}'),),
    migrations=tuple(SavedMigration(each.path, each.checksum) for each in KNOWN),
    registry_checksum=None,
)


def test_what_was_written_is_read() -> None:
    assert from_json(to_json(MANIFEST), "there") == MANIFEST


@pytest.mark.parametrize("change", [{"epoch": 2}, {"tables": []}, {"prefix": "other."}])
def test_a_changed_manifest_is_refused(change: dict[str, object]) -> None:
    body = json.loads(to_json(MANIFEST)) | change
    with pytest.raises(SetupError, match="changed or is damaged"):
        from_json(json.dumps(body), "there")


def test_a_value_of_another_type_is_refused() -> None:
    text = to_json(replace(MANIFEST, tables=(SavedTable("sessions", "three", 1),)))  # type: ignore[arg-type] # on purpose
    with pytest.raises(SetupError, match="damaged"):
        from_json(text, "there")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"checksum": "a"}'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="damaged"):
        from_json(text, "there")


def test_a_newer_format_names_the_version_that_reads_it() -> None:
    body = json.loads(to_json(MANIFEST)) | {"format": FORMAT + 1}
    with pytest.raises(SetupError, match=r"clickstream 1\.2\.3"):
        from_json(json.dumps(body), "there")


def test_an_older_schema_is_taken_and_a_newer_or_other_one_refused() -> None:
    check_migrations(MANIFEST, KNOWN)
    check_migrations(replace(MANIFEST, migrations=MANIFEST.migrations[:2]), KNOWN)
    newer = SavedMigration("migrations/9999_of_tomorrow.sql", "x")
    other = replace(MANIFEST.migrations[0], checksum="x")
    for migrations in ((*MANIFEST.migrations, newer), (other,)):
        with pytest.raises(SetupError, match=r"restore it with clickstream 1\.2\.3"):
            check_migrations(replace(MANIFEST, migrations=migrations), KNOWN)


@pytest.mark.parametrize(
    ("topics", "names"),
    [
        (TopicSettings(partitions=3, epoch=1), "PARTITIONS=2"),
        (TopicSettings(partitions=2, epoch=1, prefix="x."), "PREFIX=clickstream."),
        (TopicSettings(partitions=2, epoch=0), "EPOCH=1"),
    ],
)
def test_other_topics_are_refused(topics: TopicSettings, names: str) -> None:
    with pytest.raises(SetupError, match=names):
        check_settings(MANIFEST, Settings(_env_file=None, topics=topics))
