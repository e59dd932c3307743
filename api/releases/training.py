"""The long table of training files (docs/training.md), of sessions of a release. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from api.judgments.cells import Booleans, Floats, Integers
from api.releases.impressions import clicked, counts_of, positions_of
from api.releases.manifest import Order
from api.releases.splits import NAMES, Splits
from api.training.question import MOST_RESULTS, MOST_WEIGHT, Feature

_COLUMNS: Final = [
    ("qid", pa.int64()),
    ("position", pa.int32()),
    ("label", pa.int32()),
    ("click", pa.int8()),
    ("weight", pa.float32()),
    ("query_id", pa.string()),
    ("doc_id", pa.string()),
    ("propensity", pa.float32()),
    ("session_id", pa.string()),
    ("search_query", pa.string()),
    ("created_at", pa.timestamp("ms", tz="UTC")),
    ("user_id", pa.string()),
    ("variant", pa.string()),
    ("split", pa.string()),
]

_decode: Final = msgspec.json.Decoder().decode


class TrainingTable:
    """Numbers the lists of a release from 1, in its order. Tables must be given in that order."""

    def __init__(
        self, order: Order, examination: Floats | None, lists: int, variant_field: str
    ) -> None:
        self._event_type = order.event_type
        self._features = [feature_of(name) for name in order.features]
        self._examination = np.zeros(0) if examination is None else examination
        self.splits = Splits(order.split_by, lists)
        self._variant_field = variant_field
        self._lists = 0
        self.schema = pa.schema(
            [*_COLUMNS, *((each.column, pa.float32()) for each in self._features)]
        )

    @staticmethod
    def takes(counts: Integers) -> Booleans:
        """Whether a session with so many results is a list: LightGBM takes no longer ones."""
        taken: Booleans = (counts >= 1) & (counts <= MOST_RESULTS)
        return taken

    def of(self, sessions: pa.Table) -> pa.Table:
        """A row for each result of each list."""
        sessions = sessions.filter(pa.array(self.takes(counts_of(sessions)))).combine_chunks()
        counts = counts_of(sessions)
        numbers = self._lists + np.arange(len(counts))
        self._lists += len(counts)
        clicks = clicked(sessions, counts, self._event_type)
        positions = positions_of(counts)
        known = self._known(positions)
        weights = np.ones(len(clicks), np.float32)
        weighted = (clicks == 1) & (known > 0)
        weights[weighted] = np.minimum(MOST_WEIGHT, 1 / known[weighted])
        parents = pa.array(np.repeat(np.arange(len(counts)), counts))
        results = sessions["search_results"].combine_chunks().flatten()

        def repeated(column: str) -> Any:
            return sessions[column].combine_chunks().take(parents)

        columns = [
            np.repeat(numbers + 1, counts),
            positions,
            clicks,
            clicks,
            weights,
            repeated("search_query"),
            pc.struct_field(results, "object_id"),
            np.where(known > 0, known, np.nan),
            repeated("session_id"),
            repeated("search_query"),
            repeated("created_at"),
            repeated("user_id"),
            pa.array(self._variants(sessions)).take(parents) if len(counts) else [],
            np.repeat(np.array(NAMES, object)[self.splits.of(sessions, numbers)], counts),
            *(_values(feature, results) for feature in self._features),
        ]
        arrays = [
            pa.array(values, field.type)
            if not isinstance(values, pa.Array)
            else values.cast(field.type)
            for values, field in zip(columns, self.schema, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _known(self, positions: Integers) -> npt.NDArray[np.float64]:
        """The examination of each; 0 where it is not known."""
        values = np.append(np.nan_to_num(self._examination), 0.0)
        return values[np.minimum(positions - 1, len(values) - 1)]

    def _variants(self, sessions: pa.Table) -> list[str]:
        found = []
        for text in sessions["search_meta"].to_pylist():
            meta = _decode(text) if text is not None else None
            value = meta.get(self._variant_field) if isinstance(meta, dict) else None
            found.append(value if isinstance(value, str) else "")
        return found


def feature_of(name: str) -> Feature:
    """`rank`, or a path of results' meta that was checked."""
    return Feature(name, () if name == "rank" else tuple(name.split(".")[1:]))


def _values(feature: Feature, results: pa.Array) -> npt.NDArray[np.float32]:
    if not feature.path:
        ranks = pc.struct_field(results, "rank").to_numpy(zero_copy_only=False)
        return np.asarray(ranks, np.float32)
    metas = pc.struct_field(results, "meta").to_pylist()
    return np.array([_number(text, feature.path) for text in metas], np.float32)


def _number(text: str | None, path: tuple[str, ...]) -> float:
    value = None if text is None else _decode(text)
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return float("nan")
    return float(value)
