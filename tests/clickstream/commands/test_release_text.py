"""What the command tells of a release. No server."""

from __future__ import annotations

import msgspec
import pytest

from api.releases.manifest import Kind, Manifest, Order, ReleaseFile, Watermark, sealed
from api.releases.service import Release, State
from clickstream.commands.release_text import description, remarks, summary

MANIFEST = Manifest(
    name="2026-01",
    made_at_ms=1_769_990_400_000,
    made_by="ranker",
    code_version="1",
    writer="w",
    order=Order(
        from_ms=1_767_225_600_000,
        to_ms=1_769_904_000_000,
        query_prefix="sho",
        dimensions={"search_meta.device": "phone"},
    ),
    watermark=Watermark(0, (1,), (2,), (3,)),
    rows_per_group=2,
    sessions_per_file=4,
    counts={"sessions": 1_590, "results": 2, "events": 3},
    left_out={"irrelevant": 12, "after_the_watermark": 0, "filtered_out": 1_000},
    estimators={
        "splits": {
            "by": "user",
            "lists": {"train": 80, "validation": 10, "test": 9},
            "in_several_splits": {"users": 0, "queries": 7},
        }
    },
    schemas={},
    files=(ReleaseFile("sessions-00000.parquet", Kind.SESSIONS, 1_590, 10, "3a8c"),),
)


def release(**change: object) -> Release:
    return Release(sealed(msgspec.structs.replace(MANIFEST, **change)), State.WHOLE, {})


def test_it_tells_range_filters_splits_and_files() -> None:
    assert summary(release()).startswith("2026-01: whole; 1,590 sessions, 2 results")
    assert description(release()) == [
        "  made 2026-02-02T00:00:00.000+00:00, by ranker",
        "  sessions created from 2026-01-01T00:00:00.000+00:00"
        " before 2026-02-01T00:00:00.000+00:00",
        "  only query_prefix = 'sho'",
        "  only search_meta.device = 'phone'",
        "  lists split by user: 80 train, 10 validation, 9 test;"
        " in several splits: 0 users, 7 queries",
        "  sessions-00000.parquet: 1,590 rows, 10 bytes, 3a8c",
    ]
    assert description(release(order=Order(), estimators={}))[1] == "  sessions of any time"


@pytest.mark.parametrize(("sessions", "last"), [(5, "left out: 1,000 filtered out"), (0, "")])
def test_it_says_what_is_left_out_and_that_an_empty_one_is_empty(sessions: int, last: str) -> None:
    told = remarks(release(counts={"sessions": sessions}))
    assert told[0] == "left out: 12 irrelevant"
    assert told[1] == "left out: 1,000 filtered out"
    assert told[-1] == last or "the release is empty" in told[-1]
    assert ("the release is empty" in told[-1]) == (not sessions)
