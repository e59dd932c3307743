"""Search traffic of any size, from a seed: whole columns at a time, so that 100 million rows are
minutes and not hours.

A row is a function of the seed and its number alone. Sessions and events can be made in any order,
in pieces, by different processes, and they still belong together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyruhvro

from schemas.contracts import EVENT, SESSION

SESSION_SHAPE: Final[pa.Schema] = pyruhvro.avro_to_arrow_schema(SESSION.text)
EVENT_SHAPE: Final[pa.Schema] = pyruhvro.avro_to_arrow_schema(EVENT.text)

_DAY_MS: Final = 86_400_000
_TYPES: Final = (
    "click",
    "click",
    "click",
    "click",
    "product_hover",
    "product_hover",
    "add_to_cart",
    "purchase",
)

_COUNTRIES: Final = 30
_VARIANTS: Final = ("A", "B")

Numbers = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sessions numbered from 0, spread evenly over `days` days that end at `end_ms`.

    Ids are 32 hex digits of pseudo-random bits, as the UUIDs of real clients are: they do not
    compress, and nothing is found by luck. Queries and objects follow Zipf's law.
    """

    end_ms: int
    total: int
    seed: int = 7
    results: int = 20
    events: int = 8
    days: int = 1
    queries: int = 50_000
    objects: int = 200_000
    users: int = 500_000
    user_prefix: str = "user-"
    unique_queries: float = 0
    """Share of sessions whose query text no other has."""
    devices: int = 0
    """With some, `search_meta` has a device, a country, and the variant of the user."""

    def sessions(self, first: int, count: int) -> pa.RecordBatch:
        """Sessions `first` to `first + count`, in the shape in which Avro decodes (SESSION)."""
        numbers = np.arange(first, first + count, dtype=np.uint64)
        created = self._created(numbers)
        places = np.repeat(numbers, self.results) * np.uint64(self.results) + np.tile(
            np.arange(self.results, dtype=np.uint64), count
        )
        # A score that falls down the list, with four decimals, as engines log them.
        scores = 1 - (places % np.uint64(self.results)) / self.results
        ranks = np.round(scores * 30 + _chance(places, self.seed + 1), 4)
        shown = pa.StructArray.from_arrays(
            [self._object(places), pa.array(ranks), pa.nulls(len(places), pa.string())],
            fields=list(SESSION_SHAPE.field("search_results").type.value_type),
        )
        offsets = pa.array(np.arange(count + 1, dtype=np.int32) * self.results)
        lists = pa.ListArray.from_arrays(offsets, shown)
        users = _zipf(numbers, self.seed + 2, self.users)
        columns = {
            "session_id": _ids(numbers, self.seed),
            "search_query": self._query(numbers),
            "search_results": lists.cast(SESSION_SHAPE.field("search_results").type),
            "search_meta": self._meta(numbers, users),
            "user_id": _words(self.user_prefix, users),
            "created_at": _times(created),
            "received_at": _times(created + 120),
        }
        return batch_of(columns, SESSION_SHAPE, count)

    def events_of(self, first: int, count: int) -> pa.RecordBatch:
        """The events of these sessions, in the order in which they happened (EVENT)."""
        numbers = np.repeat(np.arange(first, first + count, dtype=np.uint64), self.events)
        each = np.tile(np.arange(self.events, dtype=np.uint64), count)
        keys = numbers * np.uint64(self.events) + each
        # What stands high is clicked more: the square of a uniform number.
        places = (_chance(keys, self.seed + 4) ** 2 * self.results).astype(np.uint64)
        kinds = (_chance(keys, self.seed + 5) * len(_TYPES)).astype(np.int8)
        after = (
            2_000
            + each.astype(np.int64) * 9_000
            + (_chance(keys, self.seed + 6) * 8_000).astype(np.int64)
        )
        created = self._created(numbers) + after
        order = np.argsort(created, kind="stable")
        rows = pa.array(order)
        columns = {
            "session_id": _ids(numbers, self.seed).take(rows),
            "event_id": _ids(keys, self.seed + 7).take(rows),
            "object_id": self._object(numbers * np.uint64(self.results) + places).take(rows),
            "event_type": pa.array(_TYPES).take(pa.array(kinds[order])),
            "created_at": _times(created[order]),
            "received_at": _times(created[order] + 80),
        }
        return batch_of(columns, EVENT_SHAPE, len(keys))

    def session_ids(self, first: int, count: int) -> list[str]:
        """Their ids alone."""
        ids: list[str] = _ids(
            np.arange(first, first + count, dtype=np.uint64), self.seed
        ).to_pylist()
        return ids

    def _created(self, numbers: Numbers) -> npt.NDArray[np.int64]:
        step = self.days * _DAY_MS / self.total
        offsets = (numbers.astype(np.float64) * step).astype(np.int64)
        return self.end_ms - self.days * _DAY_MS + offsets

    def _query(self, numbers: Numbers) -> pa.StringArray:
        frequent = _words("query about ", _zipf(numbers, self.seed + 3, self.queries))
        if not self.unique_queries:
            return frequent
        digits = pc.utf8_slice_codeunits(_ids(numbers, self.seed + 11), 0, 16)
        unique = pc.binary_join_element_wise("rare words", digits, " ")
        is_unique = pa.array(_chance(numbers, self.seed + 12) < self.unique_queries)
        return pc.if_else(is_unique, unique, frequent)

    def _meta(self, numbers: Numbers, users: npt.NDArray[np.int64]) -> pa.StringArray:
        fields: dict[str, object] = {"model": "ranker-7", "took_ms": 12}
        if not self.devices:
            return pa.array([json.dumps(fields)]).take(pa.array(np.zeros(len(numbers), np.int8)))
        each = [
            json.dumps({**fields, "device": f"d{device}", "country": f"c{land}", "variant": name})
            for device in range(self.devices)
            for land in range(_COUNTRIES)
            for name in _VARIANTS
        ]
        device = _zipf(numbers, self.seed + 13, self.devices)
        land = _zipf(numbers, self.seed + 14, _COUNTRIES)
        variant = _mix(users.astype(np.uint64), self.seed + 15) % len(_VARIANTS)
        places = (device * _COUNTRIES + land) * len(_VARIANTS) + variant.astype(np.int64)
        return pa.array(each).take(pa.array(places))

    def _object(self, places: Numbers) -> pa.StringArray:
        return _words("B0", _zipf(places, self.seed + 8, self.objects) + 10_000_000)


def _mix(numbers: Numbers, seed: int) -> Numbers:
    """splitmix64: the same bits for the same number and seed, and no pattern between neighbours."""
    with np.errstate(over="ignore"):
        z = (numbers + np.uint64(seed) * np.uint64(0xD1B54A32D192ED03)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _chance(numbers: Numbers, seed: int) -> npt.NDArray[np.float64]:
    """Uniform in [0, 1)."""
    return (_mix(numbers, seed) >> np.uint64(11)).astype(np.float64) / (1 << 53)


def _zipf(numbers: Numbers, seed: int, distinct: int) -> npt.NDArray[np.int64]:
    """0 is the most frequent; frequency falls about as 1 / (n + 1)."""
    return (np.power(float(distinct), _chance(numbers, seed)) - 1).astype(np.int64)


def _ids(numbers: Numbers, seed: int) -> pa.StringArray:
    """32 hex digits each."""
    bits = np.empty((len(numbers), 2), dtype=">u8")
    bits[:, 0] = _mix(numbers, seed * 2 + 1)
    bits[:, 1] = _mix(numbers, seed * 2 + 1_000_003)
    digits = bits.tobytes().hex().encode()
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(
        len(numbers), pa.py_buffer(offsets.tobytes()), pa.py_buffer(digits)
    )


def _words(prefix: str, codes: npt.NDArray[np.int64]) -> pa.StringArray:
    distinct, places = np.unique(codes, return_inverse=True)
    words = pa.array([f"{prefix}{code}" for code in distinct.tolist()])
    return words.take(pa.array(places))


def _times(millis: npt.NDArray[np.int64]) -> pa.TimestampArray:
    return pa.array(millis).cast(pa.timestamp("ms"))


def batch_of(columns: Mapping[str, pa.Array], shape: pa.Schema, count: int) -> pa.RecordBatch:
    """In the order of the schema; what is not given is null."""
    arrays = [
        columns[f.name].cast(f.type) if f.name in columns else pa.nulls(count, f.type)
        for f in shape
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=shape)
