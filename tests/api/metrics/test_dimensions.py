"""Names and values of declared paths may be any text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.api.metrics.test_by_hand import asked
from tests.api.stored import NOON_MS, Search, World, empty, store
from tests.local_client import LocalClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings import Settings
    from tests.conftest import Corner

pytestmark = pytest.mark.engines

ODD = 'search_meta.a/b"c\\d'
PLAIN = "search_meta.b"
ODD_OF_RESULTS = 'search_results.meta.a/b"c\\d'
PLAIN_OF_RESULTS = "search_results.meta.b"
VALUES = (
    "x/y",
    'say "x"',
    "back\\slash",
    "Schüh 鞋 👟",
    "line\nbreak",
    '","search_meta.b":"no',
    "{}",
)


@pytest.fixture(scope="module")
def module_settings(corner: Corner) -> Iterator[Settings]:
    paths = (ODD, PLAIN, ODD_OF_RESULTS, PLAIN_OF_RESULTS)
    with corner(dimensions=paths, variant_fields=("v/w",)) as settings:
        yield settings


@pytest.fixture(scope="module", autouse=True)
def _stored(module_settings: Settings) -> None:
    empty(module_settings)
    searches = tuple(
        Search(
            f"s{number}",
            results=(("a", None, json.dumps({'a/b"c\\d': value})),),
            created_at=NOON_MS,
            user_id=f"u{number}",
            search_meta=json.dumps({'a/b"c\\d': value, "v/w": "B" if number else "A"}),
        )
        for number, value in enumerate(VALUES)
    )
    store(module_settings, World(searches))


def test_each_value_is_a_group_and_a_filter(client: LocalClient) -> None:
    rows = asked(client, "query", metric="sessions", by=f"{ODD},{PLAIN}")["rows"]
    assert {row[ODD]: row["sessions"] for row in rows} == dict.fromkeys(VALUES, 1)
    assert {row[PLAIN] for row in rows} == {None}
    for value in VALUES:
        assert asked(client, "overview", **{ODD: value})["sessions"] == 1
    assert asked(client, "overview", **{PLAIN: "no"})["sessions"] == 0


def test_each_value_of_a_result_is_a_group_and_a_filter(client: LocalClient) -> None:
    params = {"metric": "impressions", "by": f"{ODD_OF_RESULTS},{PLAIN_OF_RESULTS}"}
    rows = asked(client, "query", **params)["rows"]
    assert {row[ODD_OF_RESULTS]: row["impressions"] for row in rows} == dict.fromkeys(VALUES, 1)
    assert {row[PLAIN_OF_RESULTS] for row in rows} == {None}
    for value in VALUES:
        for path in ("positions", "objects"):
            (row,) = asked(client, path, **{ODD_OF_RESULTS: value})[path]
            assert row["impressions"] == 1
        assert asked(client, "overview", **{ODD_OF_RESULTS: value})["sessions"] == 1
    assert asked(client, "overview", **{PLAIN_OF_RESULTS: "no"})["sessions"] == 0


def test_a_variant_is_found_by_any_name(client: LocalClient) -> None:
    body = asked(client, "experiment", control="A", variant_field="v/w")
    users = {each["variant"]: each["users"] for each in body["variants"]}
    assert users == {"A": 1, "B": len(VALUES) - 1}
