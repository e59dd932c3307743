"""Where a backup is stored."""

from __future__ import annotations

from typing import cast

import pytest

from clickstream.operations.backup.storage import open_storage
from core.clickhouse.admin import Server
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
