"""A pipeline with a history, shared by the tests of this folder: a replay leaves it as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.clickstream.operations.replay.stored import Contents
    from tests.conftest import Corner


@dataclass(frozen=True)
class Filled:
    """Two histories, one after the other, written by a worker that has ended; `between_ms` lies
    between them."""

    settings: Settings
    between_ms: int
    contents: Contents


@pytest.fixture(scope="session")
def filled(corner: Corner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    from tests.clickstream.operations.replay.stored import contents, drop_kept
    from tests.clickstream.operations.replay.traffic import Traffic, post_history
    from tests.stream_processors.fleet import Fleet

    with corner() as settings:
        traffic = Traffic(settings)
        with Fleet(settings, tmp_path_factory.mktemp("fleet"), count=1) as fleet:
            post_history(traffic, "one", other="two")
            between_ms = time.time_ns() // 1_000_000
            fleet.catch_up()
            post_history(traffic, "two", other="one")
            fleet.catch_up()
        yield Filled(settings, between_ms, contents(settings))
        drop_kept(settings)
