"""Metas of other Kafka producers → compact JSON, as the edge writes them.

A line of an export is a session, so no meta may have a line break. What the edge has written is
recognised a whole column at a time, and left as it is.
"""

from __future__ import annotations

from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from core.json_text import compact

_METAS: Final = ("meta", "search_meta", "payload_filter", "sort_by")
_RESULTS: Final = "search_results"

# No white space outside strings.
_IS_COMPACT: Final = r'^(?:[^" \t\r\n]|"(?:[^"\\]|\\.)*")*$'


def compact_metas(decoded: pa.RecordBatch) -> pa.RecordBatch:
    """The same records; a meta that is no JSON stays as it is."""
    for number, name in enumerate(decoded.schema.names):
        if name in _METAS:
            column = _compacted(decoded[name])
        elif name == _RESULTS:
            column = _compacted_inside(decoded[name])
        else:
            continue
        decoded = decoded.set_column(number, decoded.schema.field(number), column)
    return decoded


def _compacted_inside(lists: pa.ListArray) -> pa.ListArray:
    results = lists.values
    metas = pc.struct_field(results, "meta")
    changed = _compacted(metas)
    if changed is metas:
        return lists
    fields = [lists.type.value_field.type.field(i) for i in range(results.type.num_fields)]
    columns = [
        changed if field.name == "meta" else pc.struct_field(results, field.name)
        for field in fields
    ]
    whole = pa.StructArray.from_arrays(columns, fields=fields)
    return pa.ListArray.from_arrays(lists.offsets, whole, type=lists.type)


def _compacted(texts: pa.StringArray) -> pa.StringArray:
    """The array itself when there is nothing to do."""
    is_compact = pc.fill_null(pc.match_substring_regex(texts, _IS_COMPACT), fill_value=True)
    if is_compact.false_count == 0:
        return texts
    loose = pc.invert(is_compact)
    replaced = [_compact_or_same(text) for text in texts.filter(loose).to_pylist()]
    return pc.replace_with_mask(texts, loose, pa.array(replaced, texts.type))


def _compact_or_same(text: str) -> str:
    try:
        return compact(text)
    except (msgspec.DecodeError, RecursionError):
        return text
