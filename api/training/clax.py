"""Files for clax: sessions as numbers, and what the numbers of pairs stand for.

Numbers are those of the whole range, whatever split is written: a model that was trained on one
part is tested on another.
"""

from __future__ import annotations

from dataclasses import replace

from api.metrics.sql import Statement
from api.store import Value
from api.training.question import Lists, Split
from api.training.sql import BoundRow, source_of, values_of


def clax_sessions(lists: Lists, bound: BoundRow) -> Statement:
    """A row for each list: `query_id`, and of its results, in their order, `query_doc_ids` and
    `clicks`."""
    values = values_of(lists)
    pairs = _pairs(lists, bound, values)
    source = source_of(_plain(lists), bound, values)
    return Statement(
        f"""
SELECT
    any(pairs.query_id) AS query_id,
    arrayMap(each -> each.2, arraySort(groupArray((place, pairs.query_doc_id)))) AS query_doc_ids,
    arrayMap(each -> toBool(each.2), arraySort(groupArray((place, is_clicked)))) AS clicks
FROM
(
    SELECT number, search_query, object_id, place, has(clicked, place) AS is_clicked
    FROM (SELECT *, rowNumberInAllBlocks() AS number FROM ({source}))
    ARRAY JOIN object_ids AS object_id, arrayEnumerate(object_ids) AS place
) AS shown
INNER JOIN ({pairs}) AS pairs
    ON pairs.query = shown.search_query AND pairs.object_id = shown.object_id
GROUP BY number
ORDER BY number
""",  # noqa: S608 - fragments of this module
        values,
    )


def clax_pairs(lists: Lists, bound: BoundRow) -> Statement:
    """A row for each pair of a query text and an object: `query_doc_id` counts from 0."""
    values = values_of(lists)
    return Statement(f"{_pairs(lists, bound, values)} ORDER BY query_doc_id", values)


def _pairs(lists: Lists, bound: BoundRow, values: dict[str, Value]) -> str:
    source = source_of(replace(_plain(lists), split=Split.ALL), bound, values)
    return f"""
SELECT
    toInt32(rowNumberInAllBlocks()) AS query_doc_id,
    toInt32(dense_rank() OVER (ORDER BY query) - 1) AS query_id,
    query,
    object_id
FROM
(
    SELECT DISTINCT search_query AS query, object_id
    FROM ({source}) ARRAY JOIN object_ids AS object_id
    ORDER BY query, object_id
)
"""  # noqa: S608 - fragments of this module


def _plain(lists: Lists) -> Lists:
    """Without what is read from metas."""
    return replace(lists, features=(), title=())
