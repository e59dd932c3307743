from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.api.metrics.by_hand import DIMENSIONS, EVENT_VALUE
from tests.local_client import LocalClient

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.conftest import Corner


@pytest.fixture(scope="module")
def module_settings(corner: Corner) -> Iterator[Settings]:
    """With declared dimensions and values."""
    with corner(dimensions=DIMENSIONS, event_value=EVENT_VALUE) as settings:
        yield settings


@pytest.fixture(scope="module")
def client(module_settings: Settings) -> Iterator[LocalClient]:
    """The read API on it."""
    from api.component import ReadComponent
    from clickstream.operations.erasure.eraser import eraser_of
    from core.http.app import build_app

    role = ReadComponent(module_settings, eraser_of(module_settings))
    with LocalClient(build_app(module_settings, [role])) as client:
        yield client
