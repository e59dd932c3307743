"""What a replay would break, it refuses to touch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clickstream.operations.replay.start_point import Earliest, FromOffset
from core import clickhouse
from core.clock import SystemClock
from core.errors import SetupError
from tests.clickstream.operations.replay.silent import Silent
from tests.clickstream.operations.replay.stored import contents

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.clickstream.operations.replay.conftest import Filled

pytestmark = pytest.mark.engines


def with_a_wide_window(settings: Settings) -> Settings:
    """Settings by which the sessions of 2017 get a day of their own."""
    worker = settings.worker.model_copy(update={"day_window_past": 100_000})
    return settings.model_copy(update={"worker": worker})


def test_sessions_that_would_get_another_day_are_not_stored_twice(filled: Filled) -> None:
    from clickstream.operations.replay.run import preview, replay

    other = with_a_wide_window(filled.settings)
    with pytest.raises(SetupError, match="2 stored sessions have another day"):
        replay(other, Earliest(), SystemClock(), Silent())
    with pytest.raises(SetupError, match="2 stored sessions have another day"):
        preview(other, Earliest())
    assert contents(filled.settings) == filled.contents
    assert replay(other, FromOffset(10**9), SystemClock(), Silent()).records == 0


def test_a_missing_table_is_told(filled: Filled) -> None:
    from clickstream.operations.replay.run import preview

    with clickhouse.connect(filled.settings) as client:
        client.command("RENAME TABLE session_marks TO elsewhere")
        try:
            with pytest.raises(SetupError, match=r"session_marks\.sql is not applied"):
                preview(filled.settings, Earliest())
        finally:
            client.command("RENAME TABLE elsewhere TO session_marks")
