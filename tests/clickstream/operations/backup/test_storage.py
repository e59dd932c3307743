"""Where a backup is stored."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from clickstream.operations.backup.storage import TABLES, BackupStorage, open_storage
from core.clickhouse.admin import Server
from core.errors import SetupError
from core.settings import Settings


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://b.s3.eu.amazonaws.com/n/", "https://b.s3.eu.amazonaws.com/n"),
        ("https://key:secret@h:9/b/n?X-Amz-Signature=secret#secret", "https://h:9/b/n"),
    ],
)
def test_the_url_of_a_bucket_is_shown_without_its_secrets(given: str, shown: str) -> None:
    storage = open_storage(given, Settings(_env_file=None), cast(Server, None))
    assert str(storage) == shown


def test_a_bucket_on_another_machine_must_be_encrypted() -> None:
    server = cast(Server, None)
    settings = Settings(_env_file=None)
    with pytest.raises(SetupError, match="not encrypted") as refused:
        open_storage("http://key:s3cret@storage.example/bucket", settings, server)
    assert "s3cret" not in str(refused.value)
    for local in ("http://127.0.0.1:9000/bucket", "http://localhost:9000/bucket"):
        assert str(open_storage(local, settings, server)) == local


def test_a_folder_that_no_backup_came_into_is_removed_if_it_was_made_for_it(tmp_path: Path) -> None:
    def opened(name: str) -> BackupStorage:
        storage = open_storage(str(tmp_path / name), Settings(_env_file=None), cast(Server, None))
        storage.ensure_empty()
        return storage

    (tmp_path / "before").mkdir()
    opened("before").remove_if_unused()
    opened("refused").remove_if_unused()
    storage = opened("whole")
    (tmp_path / "whole" / TABLES).mkdir()
    storage.remove_if_unused()
    assert {folder.name for folder in tmp_path.iterdir()} == {"before", "whole"}
