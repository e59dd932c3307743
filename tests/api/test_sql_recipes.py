"""Every query of docs/sql.md, and the models of examples/dbt, over many rows: ClickHouse makes the
rows itself, and no query may need more memory than the local server has.

CLICKSTREAM_TEST_RECIPE_SESSIONS says how many searches, each of ten results: a million are ten
million rows of `impressions`, and take minutes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.clickhouse.client import connect
from tests.api.stored import empty, refresh_facts

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from tests.conftest import Corner

pytestmark = [pytest.mark.engines, pytest.mark.timeout(7_200)]

_SESSIONS = int(os.environ.get("CLICKSTREAM_TEST_RECIPE_SESSIONS", "2000"))
_DAYS = 30 if _SESSIONS >= 100_000 else 2  # the facts of each are computed by themselves
_ROOT = Path(__file__).parents[2]
_RECIPES = re.findall(
    r"^```sql\n(.*?)^```", (_ROOT / "docs" / "sql.md").read_text("utf-8"), re.M | re.S
)
_MODELS = {
    path.stem: path.read_text("utf-8") for path in (_ROOT / "examples/dbt/models").glob("*.sql")
}

# Six of ten texts are those of one search.
_SEARCHES = """
INSERT INTO sessions
(
    session_id, search_query, `search_results.object_id`, `search_results.rank`,
    `search_results.meta`, search_meta, user_id, created_at, received_at, session_day,
    kafka_partition, kafka_offset, version
)
WITH toDateTime64(now() - intDiv(number * {seconds:UInt64}, {sessions:UInt64}), 3, 'UTC') AS moment
SELECT
    concat('s', toString(number)),
    if(number % 10 < 6, concat('text ', toString(number)), concat('often ', toString(number % 99))),
    arrayMap(place -> concat('o', toString((number * 7 + place * 13) % 100000)), range(10)),
    CAST(arrayWithConstant(10, NULL), 'Array(Nullable(Float64))'),
    CAST(arrayWithConstant(10, NULL), 'Array(Nullable(String))'),
    '{"device":"mobile","latency_ms":20}', concat('u', toString(number % 50000)), moment, moment,
    toDate(moment), 0, number, 18446744073709551615 - number
FROM numbers({sessions:UInt64})
"""
_CLICKS = """
INSERT INTO events
(
    session_id, event_id, object_id, event_type, position, meta, created_at, received_at,
    session_created_at, session_day, kafka_partition, kafka_offset, version
)
SELECT
    session_id, 'e', `search_results.object_id`[1 + kafka_offset % 10], 'click',
    1 + kafka_offset % 10, NULL, created_at, received_at, created_at, session_day, 0, kafka_offset,
    version
FROM sessions
WHERE kafka_offset % 2 = 0
"""


@pytest.fixture(scope="module")
def sql(corner: Corner) -> Iterator[Client]:
    with corner(dimensions=("search_meta.device",)) as settings:
        empty(settings)
        with connect(settings) as client:
            counts = {"sessions": _SESSIONS, "seconds": _DAYS * 86_400}
            client.command(_SEARCHES, parameters=counts)
            client.command(_CLICKS)
            refresh_facts(settings)
            yield client


@pytest.mark.parametrize("recipe", _RECIPES, ids=range(len(_RECIPES)))
def test_a_recipe_runs(sql: Client, recipe: str) -> None:
    sql.query(recipe)


def test_there_is_what_they_read(sql: Client) -> None:
    shown, clicks = sql.query(
        "SELECT (SELECT count() FROM impressions), (SELECT sum(clicks) FROM session_outcomes)"
    ).first_row
    assert (shown, clicks) == (10 * _SESSIONS, _SESSIONS // 2)


@pytest.mark.parametrize("model", _MODELS)
def test_a_model_of_the_dbt_example_runs(sql: Client, model: str) -> None:
    text = re.sub(r"{%.*?%}.*?{%.*?%}", "", _MODELS[model], flags=re.S)
    text = text.replace('{{ var("device_path") }}', "search_meta.device")
    text = re.sub(r"{{ source\('clickstream', '(\w+)'\) }}", r"\1", text)
    rows = sql.query(f"SELECT sum(sessions), sum(sessions_with_click) FROM ({text})").first_row  # noqa: S608 - ours
    assert rows == (_SESSIONS, _SESSIONS // 2)
