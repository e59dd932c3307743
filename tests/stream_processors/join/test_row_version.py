from __future__ import annotations

import numpy as np

from stream_processors.join.row_version import first_wins, last_wins

OFFSETS = np.array([0, 1, 2**48 - 1], dtype=np.int64)


def test_the_lowest_offset_has_the_highest_version_where_the_first_wins() -> None:
    versions = first_wins(OFFSETS, epoch=0)
    assert list(versions) == sorted(versions, reverse=True)
    assert len(set(versions.tolist())) == 3


def test_the_highest_offset_has_the_highest_version_where_the_last_wins() -> None:
    versions = last_wins(OFFSETS, epoch=0)
    assert list(versions) == sorted(versions)


def test_a_topic_made_anew_comes_after_everything_of_the_old_one() -> None:
    assert last_wins(OFFSETS[:1], epoch=1)[0] > last_wins(OFFSETS[-1:], epoch=0)[0]
    assert first_wins(OFFSETS[:1], epoch=1)[0] < first_wins(OFFSETS[-1:], epoch=0)[0]
