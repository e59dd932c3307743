"""A release on a server of S3's protocol, from its making to its end."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from api.releases.service import ReleaseService, State
from api.releases.verify import verify
from core.clock import SystemClock
from tests.api.releases.s3_server import s3_releases
from tests.api.releases.world import IN_RELEASE, make
from tests.api.stored import Mark, World, store
from tests.local_client import LocalClient

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.engines


def test_a_release_on_s3_is_as_one_in_a_folder(released: ReleaseService) -> None:
    from api.component import ReadComponent
    from clickstream.operations.erasure.eraser import eraser_of
    from core.http.app import build_app

    in_folder = make(released, "first").manifest
    with s3_releases(sessions_per_file=20) as releases:
        settings: Settings = released.settings.model_copy(update={"releases": releases})
        service = ReleaseService(settings, SystemClock(), "1")
        manifest = make(service, "first").manifest
        assert manifest.files == in_folder.files
        assert verify(service.storage, service.release("first")) == []
        role = ReadComponent(settings, eraser_of(settings))
        with LocalClient(build_app(settings, [role])) as api:
            url = f"/releases/first/files/{manifest.files[1].name}"
            whole = api.get(url).content
            assert pq.read_table(io.BytesIO(whole)).num_rows == 20
            assert api.get(url, headers={"range": "bytes=9-20"}).content == whole[9:21]
            store(settings, World(marks=(Mark(IN_RELEASE[25].session_id, offset=2_000),)))
            assert api.get(url).status_code == 410
        assert "sessions-00001.parquet" not in service.storage.sizes("first")
        with service.storage.create("first/sessions-00000.parquet") as file:
            file.write(b"x" * manifest.files[0].bytes)
        (found,) = verify(service.storage, service.release("first"))
        assert found.problem.startswith("has SHA-256")
        assert service.retire("first").state is State.RETIRED
        assert not [each for each in service.storage.sizes("first") if each.endswith("parquet")]
        service.close()
