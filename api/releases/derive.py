"""The long table of lists, and judgments, of the sessions of a release: from its own files.

In constant memory: the files are read a row group at a time, pairs that were shown too seldom are
left out, and where many are left, they are counted for a part of the queries at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from api.judgments.examination import Examination, NotIdentifiable, examination
from api.judgments.formats import SCHEMA as JUDGMENTS
from api.judgments.grades import CUT_POINTS
from api.judgments.judge import SAMPLE_IMPRESSIONS, PositionEffects, judgments
from api.judgments.question import (
    DEFAULT_DEPTH,
    DEFAULT_MIN_IMPRESSIONS,
    Estimator,
    Population,
    Question,
    Weight,
)
from api.releases.files import HashedFile, parquet_writer
from api.releases.impressions import (
    COLUMNS,
    Counts,
    OftenShown,
    counts_of,
    impressions,
    of_bucket,
)
from api.releases.manifest import Kind, Order, ReleaseFile
from api.releases.training import TrainingTable

Open = Callable[[str], Any]

_JUDGED_AT_ONCE: Final = 5_000
_PAIRS_AT_ONCE: Final = 500_000
"""That are counted in one pass over the files: some hundred MB with ten positions each."""


class Deriver:
    """Reads the files of sessions of a release, and writes more files beside them."""

    def __init__(
        self, open_file: Open, create: Open, sessions: Sequence[ReleaseFile], order: Order
    ) -> None:
        """`open_file` and `create` open a file of the release to read from, and to write to."""
        self._open = open_file
        self._create = create
        self._sessions = sessions
        self._order = order
        self._often = OftenShown()

    def effects(self) -> tuple[PositionEffects, int]:
        """What positions do to clicks, and how many lists there are. Called once, first."""
        shown, gained = np.zeros(DEFAULT_DEPTH), np.zeros(DEFAULT_DEPTH)
        lists = 0
        for _, group in self._groups():
            counts = counts_of(group)
            lists += int(TrainingTable.takes(counts).sum())
            table = impressions(group, self._order.event_type)
            self._often.add(table)
            at = table["position"].to_numpy() - 1
            shown += np.bincount(at, minlength=DEFAULT_DEPTH)
            gained += np.bincount(at, table["clicked"].to_numpy(), minlength=DEFAULT_DEPTH)
        depth = int(np.flatnonzero(shown)[-1]) + 1 if shown.any() else 0
        sample = 1 + int(shown.sum()) // SAMPLE_IMPRESSIONS
        estimated, refused = self._examination(sample)
        effects = PositionEffects(shown[:depth], gained[:depth], estimated, refused, sample)
        return effects, lists

    def training(
        self, effects: PositionEffects, lists: int, variant_field: str
    ) -> tuple[list[ReleaseFile], dict[str, Any]]:
        """One file beside each file of sessions, and how they are split."""
        found = None if effects.examination is None else effects.examination.values
        table = TrainingTable(self._order, found, lists, variant_field)
        made = []
        for index, file in enumerate(self._sessions):
            writer = _Writer(self._create, f"training-{index:05}.parquet", table.schema)
            for _, group in self._groups([file], columns=None):
                writer.write(table.of(group))
            made.append(
                writer.finish(
                    Kind.TRAINING,
                    first_number=file.first_number,
                    sessions=file.sessions,
                    from_ms=file.from_ms,
                    to_ms=file.to_ms,
                )
            )
        return made, table.splits.account()

    def judgments(self, effects: PositionEffects) -> list[ReleaseFile]:
        """Judgments of the pairs, and the examination of positions."""
        buckets = 1 + self._often.most_pairs // _PAIRS_AT_ONCE
        population = Population((0, 0), "exclude", [Weight(self._order.event_type, 1)])
        estimator = Estimator.PBM if effects.examination is not None else Estimator.COEC
        question = Question(population, estimator)
        writer = _Writer(self._create, "judgments.parquet", JUDGMENTS)
        for bucket in range(buckets):
            rows = list(self._counted(bucket, buckets).rows(DEFAULT_MIN_IMPRESSIONS))
            for start in range(0, len(rows), _JUDGED_AT_ONCE):
                some = judgments(rows[start : start + _JUDGED_AT_ONCE], question, effects)
                content = [msgspec.structs.asdict(each) for each in some]
                writer.write(pa.Table.from_pylist(content, JUDGMENTS))
        return [writer.finish(Kind.JUDGMENTS), self._propensities(effects)]

    def estimators(self, effects: PositionEffects) -> dict[str, Any]:
        """For the manifest."""
        found = effects.examination
        return {
            "event_type": self._order.event_type,
            "depth": DEFAULT_DEPTH,
            "min_impressions": DEFAULT_MIN_IMPRESSIONS,
            "graded_by": "coec" if found is None else "pbm",
            "cut_points": list(CUT_POINTS),
            "averages": msgspec.to_builtins(effects.averages),
            "propensities": {
                "estimator": "em",
                "values": [] if found is None else _numbers(found.values),
                "refused": effects.refused,
                "one_query_in": effects.sample,
            },
        }

    def _examination(self, sample: int) -> tuple[Examination | None, str | None]:
        try:
            return examination(self._counted(0, sample).moving_cells()), None
        except NotIdentifiable as error:
            return None, str(error)

    def _counted(self, bucket: int, buckets: int) -> Counts:
        counts = Counts()
        for _, group in self._groups():
            shown = self._often.among(impressions(group, self._order.event_type))
            shown = of_bucket(shown, bucket, buckets)
            if shown.num_rows:
                counts.add(shown)
        return counts

    def _groups(
        self, files: Sequence[ReleaseFile] | None = None, columns: list[str] | None = COLUMNS
    ) -> Iterator[tuple[ReleaseFile, pa.Table]]:
        for file in self._sessions if files is None else files:
            with self._open(file.name) as source:
                parquet = pq.ParquetFile(source)
                for number in range(parquet.num_row_groups):
                    yield file, parquet.read_row_group(number, columns)

    def _propensities(self, effects: PositionEffects) -> ReleaseFile:
        found = effects.examination
        depth = len(effects.impressions)

        def column(values: Any) -> pa.Array:
            known = [] if values is None else _numbers(values)
            return pa.array((known + [None] * depth)[:depth], pa.float64())

        table = pa.table(
            {
                "position": pa.array(range(1, depth + 1), pa.int32()),
                "impressions": pa.array(effects.impressions.astype(np.int64)),
                "clicks": pa.array(effects.clicks.astype(np.int64)),
                "examination": column(None if found is None else found.values),
                "low": column(None if found is None else found.low),
                "high": column(None if found is None else found.high),
            }
        )
        writer = _Writer(self._create, "propensities.parquet", table.schema)
        writer.write(table)
        return writer.finish(Kind.PROPENSITIES)


class _Writer:
    """Writes a file, a row group for each table that has rows."""

    def __init__(self, create: Open, name: str, schema: pa.Schema) -> None:
        self._name = name
        self._target = HashedFile(create(name))
        self._writer = parquet_writer(self._target, schema)
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        if table.num_rows:
            self._writer.write_table(table.combine_chunks())
            self._rows += table.num_rows

    def finish(self, kind: Kind, **more: int) -> ReleaseFile:
        self._writer.close()
        self._target.close()
        return ReleaseFile(
            name=self._name,
            kind=kind,
            rows=self._rows,
            bytes=self._target.size,
            sha256=self._target.sha256,
            **more,
        )


def _numbers(values: Any) -> list[float | None]:
    return [float(each) if np.isfinite(each) else None for each in values]
