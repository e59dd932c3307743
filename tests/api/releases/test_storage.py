"""Releases in a folder and on S3: the same promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from api.releases.manifest import Reason
from api.releases.storage import ReleaseStorage, Superseded, open_storage
from clickstream.local.processes.ports import free_port
from core.errors import ReleaseNotFound, SetupError, StorageUnavailable
from core.settings import ReleaseSettings, Settings
from tests.api.releases.s3_server import s3_releases
from tests.api.releases.test_manifest import manifest


def settings(releases: ReleaseSettings) -> Settings:
    return Settings(_env_file=None, releases=releases)


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReleaseStorage]:
    if request.param == "folder":
        yield open_storage(settings(ReleaseSettings(uri=f"file://{tmp_path}/new/releases")))
    else:
        with s3_releases() as releases:
            yield open_storage(settings(releases))


def write(storage: ReleaseStorage, path: str, content: bytes) -> None:
    with storage.create(path) as file:
        file.write(content)


def test_a_release_is_there_when_it_is_whole(storage: ReleaseStorage) -> None:
    assert storage.names() == []
    storage.begin("a")
    write(storage, "a/sessions-00000.parquet", b"content")
    assert storage.manifest("a") is None
    storage.finish(manifest("a"))
    assert storage.manifest("a") == manifest("a")
    assert storage.sizes("a").keys() == {"manifest.json", "sessions-00000.parquet"}
    with storage.open("a/sessions-00000.parquet") as file:
        file.seek(3)
        assert file.read(2) == b"te"
    assert storage.names() == ["a"]


def test_only_what_a_making_has_begun_is_swept(storage: ReleaseStorage) -> None:
    storage.begin("cut short")
    write(storage, "cut short/sessions-00000.parquet", b"x")
    write(storage, "photos/cat.jpg", b"x")
    storage.begin("whole")
    storage.finish(manifest("whole"))
    storage.begin("whole")  # killed before this was deleted
    assert storage.sweep() == ["cut short"]
    assert storage.names() == ["photos", "whole"]
    assert storage.sizes("whole").keys() == {"manifest.json"}


def test_a_superseded_file_is_gone_and_its_note_stays(storage: ReleaseStorage) -> None:
    storage.finish(manifest("a"))
    write(storage, "a/sessions-00000.parquet", b"x")
    first = Superseded(Reason.MARK, 1)
    for why in (first, Superseded(Reason.ERASURE, 2)):
        storage.supersede("a", "sessions-00000.parquet", why)
    sizes = storage.sizes("a")
    assert "sessions-00000.parquet" not in sizes
    assert storage.superseded("a", sizes) == {"sessions-00000.parquet": first}


def test_what_cannot_be_reached_is_told_without_secrets() -> None:
    away = ReleaseSettings(
        uri=f"s3://data/x?endpoint_override=127.0.0.1:{free_port()}&scheme=http&region=eu",
        s3_access_key_id="key",
        s3_secret_access_key=SecretStr("s3cret"),
    )
    with pytest.raises(StorageUnavailable) as error:
        open_storage(settings(away)).read("a/manifest.json")
    assert "s3cret" not in str(error.value)
    assert "127.0.0.1" not in error.value.public


@pytest.mark.parametrize(
    ("uri", "why"),
    [("gs://bucket/x", "gs:// is not known"), ("s3://b?zone=a", "zone is not known")],
)
def test_a_uri_that_is_not_understood_is_refused(uri: str, why: str) -> None:
    with pytest.raises(SetupError, match=why):
        open_storage(settings(ReleaseSettings(uri=uri)))
    with pytest.raises(ReleaseNotFound, match="CLICKSTREAM_RELEASES__URI"):
        open_storage(settings(ReleaseSettings()))
