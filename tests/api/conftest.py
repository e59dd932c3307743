from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.api.stored import empty
from tests.local_client import LocalClient

if TYPE_CHECKING:
    from core.settings import Settings


@pytest.fixture
def read_settings(module_settings: Settings) -> Settings:
    """A prepared corner without rows. Its sink group has nothing to read, so it is caught up."""
    empty(module_settings)
    return module_settings


@pytest.fixture(scope="module")
def client(module_settings: Settings) -> Iterator[LocalClient]:
    """The read API on that corner."""
    from api.component import ReadComponent
    from clickstream.operations.erasure.eraser import eraser_of
    from core.http.app import build_app

    role = ReadComponent(module_settings, eraser_of(module_settings))
    with LocalClient(build_app(module_settings, [role])) as client:
        yield client
