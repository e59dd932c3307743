"""What a record that decodes may still break of its contract. Pure, whole columns at a time.

The edge has checked all of this before; but anybody with access to Kafka may write to the topics,
and readers rely on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.ids import ID_BYTES
from core.json_text import MAY_BE_OUT_OF_RANGE, is_out_of_range
from core.kafka.partitioner import partitions_of
from schemas.dead_letters import Reason

# What DateTime64(3) holds, and what the edge accepts; a value outside is seconds, microseconds or
# garbage. Milliseconds since the epoch: 1973-03-03 to 2286-11-20.
_EARLIEST_MS: Final = 10**11
_LATEST_MS: Final = 10**13

# `position` is a UInt16 in ClickHouse.
_MOST_RESULTS: Final = 65_535

_NO_ID: Final = f"is empty, blank, or longer than {ID_BYTES} bytes"
_NO_JSON: Final = "is not JSON, or has a number that common readers cannot hold"

Mask = npt.NDArray[np.bool_]
Partitions = npt.NDArray[np.int32]

# Reads past a value without making anything of it.
_JSON: Final = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, slots=True)
class ContractViolation:
    """A rule of the contract, and the rows that break it."""

    reason: Reason
    error: str
    rows: Mask


def wrong_key(keys: pa.BinaryArray, session_ids: pa.StringArray) -> ContractViolation:
    """Without its key a record is on some partition, and never meets its session."""
    same = _mask(pc.equal(keys, session_ids.cast(pa.binary())))
    return ContractViolation(Reason.WRONG_KEY, "the record's key is not its session_id", ~same)


def wrong_partition(
    session_ids: pa.StringArray, found_on: Partitions, count: int
) -> ContractViolation:
    """The certain 404 looks for a session on one partition only."""
    return ContractViolation(
        Reason.WRONG_PARTITION,
        "the record is not on the murmur2 partition of its session_id",
        partitions_of(session_ids, count) != found_on,
    )


def invalid_fields(decoded: pa.RecordBatch) -> Iterator[ContractViolation]:
    """One for each rule on a column that these records have."""
    for column in decoded.schema.names:
        for check in _CHECKS.get(column, ()):
            yield check(column, decoded[column])


def _no_id(name: str, ids: pa.StringArray) -> ContractViolation:
    return ContractViolation(Reason.INVALID_RECORD, f"{name} {_NO_ID}", _are_no_ids(ids))


def _no_id_inside(name: str, lists: pa.ListArray) -> ContractViolation:
    wrong = _are_no_ids(pc.struct_field(lists.flatten(), "object_id"))
    return ContractViolation(
        Reason.INVALID_RECORD, f"an object_id in {name} {_NO_ID}", _rows_of(lists, wrong)
    )


def _are_no_ids(ids: pa.StringArray) -> Mask:
    """The rule of `core.ids`, for a column."""
    sizes = pc.binary_length(ids)
    fits = pc.and_(pc.greater(sizes, 0), pc.less_equal(sizes, ID_BYTES))
    return _mask(pc.or_(pc.invert(fits), pc.utf8_is_space(ids)))


def _odd_time(name: str, times: pa.TimestampArray) -> ContractViolation:
    millis = times.cast(pa.int64()).to_numpy(zero_copy_only=False)
    outside = (millis < _EARLIEST_MS) | (millis >= _LATEST_MS)
    return ContractViolation(
        Reason.INVALID_RECORD, f"{name} is not in milliseconds since 1970", outside
    )


def _long_list(name: str, lists: pa.ListArray) -> ContractViolation:
    long = _mask(pc.greater(pc.list_value_length(lists), _MOST_RESULTS))
    return ContractViolation(
        Reason.INVALID_RECORD, f"{name} has more than {_MOST_RESULTS} elements", long
    )


def _not_json(name: str, texts: pa.StringArray) -> ContractViolation:
    return ContractViolation(Reason.INVALID_RECORD, f"{name} {_NO_JSON}", _broken_json(texts))


def _not_json_inside(name: str, lists: pa.ListArray) -> ContractViolation:
    broken = _broken_json(pc.struct_field(lists.flatten(), "meta"))
    return ContractViolation(
        Reason.INVALID_RECORD, f"a meta in {name} {_NO_JSON}", _rows_of(lists, broken)
    )


def _not_finite_inside(name: str, lists: pa.ListArray) -> ContractViolation:
    ranks = pc.struct_field(lists.flatten(), "rank")
    odd = ~_mask(pc.fill_null(pc.is_finite(ranks), fill_value=True))
    return ContractViolation(
        Reason.INVALID_RECORD, f"a rank in {name} is not a finite number", _rows_of(lists, odd)
    )


def _rows_of(lists: pa.ListArray, elements: Mask) -> Mask:
    """The rows that have one of these elements in their list."""
    rows = np.zeros(len(lists), dtype=bool)
    rows[pc.list_parent_indices(lists).to_numpy()[elements]] = True
    return rows


def _broken_json(texts: pa.StringArray) -> Mask:
    """Each distinct text is read once: metas repeat themselves a lot, and most are null."""
    distinct = pc.unique(texts).drop_null()
    broken = [text for text in distinct.to_pylist() if _is_bad(text)]
    suspects = distinct.filter(pc.match_substring_regex(distinct, MAY_BE_OUT_OF_RANGE))
    broken += [text for text in suspects.to_pylist() if is_out_of_range(text.encode())]
    if not broken:
        return np.zeros(len(texts), dtype=bool)
    return _mask(pc.is_in(texts, value_set=pa.array(broken, texts.type)))


def _is_bad(text: str) -> bool:
    try:
        _JSON.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return True
    return False


def _mask(condition: pa.BooleanArray) -> Mask:
    """A comparison as a mask; null compares as false."""
    mask: Mask = pc.fill_null(condition, fill_value=False).to_numpy(zero_copy_only=False)
    return mask


_CHECKS: Final[dict[str, tuple[Callable[[str, pa.Array], ContractViolation], ...]]] = {
    "session_id": (_no_id,),
    "event_id": (_no_id,),
    "object_id": (_no_id,),
    "event_type": (_no_id,),
    "user_id": (_no_id,),
    "created_at": (_odd_time,),
    "received_at": (_odd_time,),
    "search_results": (_long_list, _no_id_inside, _not_json_inside, _not_finite_inside),
    "meta": (_not_json,),
    "search_meta": (_not_json,),
    "payload_filter": (_not_json,),
    "sort_by": (_not_json,),
}
