from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.clock import SystemClock
from tests.api.releases.world import WORLD
from tests.api.stored import TABLES, empty, store
from tests.clickhouse_tables import on_tables, truncate
from tests.local_client import LocalClient

if TYPE_CHECKING:
    from api.releases.service import ReleaseService
    from core.settings import Settings


@pytest.fixture
def released(module_settings: Settings, tmp_path: Path) -> Iterator[ReleaseService]:
    """On a folder of its own; three files of 20, 20 and the rest."""
    from api.releases.service import ReleaseService
    from core.settings import ReleaseSettings

    empty(module_settings)
    truncate(module_settings, "erasures", "erased_sessions")
    on_tables(module_settings, "SYSTEM START MERGES {}", *TABLES)
    store(module_settings, WORLD)
    releases = ReleaseSettings(uri=str(tmp_path / "releases"), sessions_per_file=20, most=3)
    settings = module_settings.model_copy(update={"releases": releases})
    service = ReleaseService(settings, SystemClock(), "1.2.3")
    yield service
    service.close()


@pytest.fixture
def api(released: ReleaseService) -> Iterator[LocalClient]:
    from api.component import ReadComponent
    from clickstream.operations.erasure.eraser import eraser_of
    from core.http.app import build_app

    settings = released.settings
    role = ReadComponent(settings, eraser_of(settings))
    with LocalClient(build_app(settings, [role])) as client:
        yield client
