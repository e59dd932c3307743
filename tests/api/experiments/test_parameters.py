"""Parameters of experiments that are wrong, before and after anything is looked up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.component import ReadComponent
from api.experiments.parameters import (
    MOST_VARIANTS,
    check_variant_field,
    check_variants,
    parse_metrics,
    parse_split,
)
from clickstream.operations.erasure.eraser import eraser_of
from core.errors import InvalidRequest
from core.http.app import build_app
from tests.api.test_erase import NOWHERE
from tests.local_client import LocalClient

KEY = {"X-API-Key": "a-key"}


@pytest.fixture(scope="module")
def nowhere() -> Iterator[LocalClient]:
    component = ReadComponent(NOWHERE, eraser_of(NOWHERE))
    with LocalClient(build_app(NOWHERE, [component])) as client:
        yield client


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"control": ""}, "query.control"),
        ({"control": "A" * 129}, "query.control"),
        ({"control": "A", "from": "yesterday"}, "query.from"),
        ({"control": "A", "variant_field": "device"}, "query.variant_field"),
        ({"control": "A", "metrics": "session_ctr,sesion_ctr"}, "query.metrics"),
        ({"control": "A", "confidence": "1"}, "query.confidence"),
        ({"control": "A", "confidence": "nan"}, "query.confidence"),
        ({"control": "A", "split": "A"}, "query.split"),
        ({"control": "A", "split": "A:50,A:50"}, "query.split"),
        ({"control": "A", "split": "A:1,B:0"}, "query.split"),
        ({"control": "A", "split": "A:nan,B:1"}, "query.split"),
        ({"control": "A", "split": "A:-1,B:1"}, "query.split"),
        ({"control": "A", "split": ":1,B:1"}, "query.split"),
        ({"control": "A", "outliers": "drop"}, "query.outliers"),
        ({"control": "A", "outlier_quantile": "1"}, "query.outlier_quantile"),
        ({"control": "A", "effect": "0"}, "query.effect"),
        ({"control": "A", "effect": "inf"}, "query.effect"),
        ({"control": "A", "power": "2"}, "query.power"),
        ({"control": "A", "limit": "2"}, "query.limit"),
    ],
)
def test_wrong_parameter_of_an_experiment_is_named(
    nowhere: LocalClient, params: dict[str, str], place: str
) -> None:
    answer = nowhere.get("/analytics/experiment", params=params, headers=KEY)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["path"] == place


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"control": "A", "confidence": "0"}, "query.confidence"),
        ({"control": "A", "event_type": ""}, "query.event_type"),
        ({"control": "A", "metrics": "session_ctr"}, "query.metrics"),
    ],
)
def test_wrong_parameter_of_interleaving_is_named(
    nowhere: LocalClient, params: dict[str, str], place: str
) -> None:
    answer = nowhere.get("/analytics/interleaving", params=params, headers=KEY)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == place


def test_metrics_are_those_asked_for_in_the_order_of_the_catalogue() -> None:
    assert parse_metrics("no_click_rate, session_ctr") == ["session_ctr", "no_click_rate"]
    assert len(parse_metrics("")) == 8
    with pytest.raises(InvalidRequest, match="did you mean session_ctr"):
        parse_metrics("sesion_ctr")
    with pytest.raises(InvalidRequest, match="there are session_ctr, "):
        parse_metrics("session_ctr,,x")


def test_split_is_names_and_shares_and_names_may_have_colons() -> None:
    assert parse_split("") is None
    assert parse_split("A:50, B:b:25.5") == {"A": 50.0, "B:b": 25.5}
    with pytest.raises(InvalidRequest, match="2 to 50 variants"):
        parse_split(",".join(f"{number}:1" for number in range(MOST_VARIANTS + 1)))


def test_field_is_one_that_is_declared_and_the_first_of_them_by_default() -> None:
    assert check_variant_field(None, ("variant", "ui")) == "variant"
    assert check_variant_field("ui", ("variant", "ui")) == "ui"
    with pytest.raises(InvalidRequest, match="there are variant, ui"):
        check_variant_field("device", ("variant", "ui"))
    with pytest.raises(InvalidRequest, match="CLICKSTREAM_VARIANT_FIELDS"):
        check_variant_field(None, ())


def test_control_is_a_variant_that_was_found() -> None:
    check_variants([], "variant", "A")
    check_variants(["B", "A", "A"], "variant", "A")
    with pytest.raises(InvalidRequest, match="'a' has no sessions in this range: there are 'A'"):
        check_variants(["A", "B"], "variant", "a")
    with pytest.raises(InvalidRequest, match="and more"):
        check_variants([f"v{number}" for number in range(20)], "variant", "A")


@pytest.mark.parametrize(
    ("found", "control"),
    [(["treatment", "control"], "control"), (["B", "A"], "A"), ([], "control")],
)
def test_without_one_the_control_is_the_one_of_that_name_or_the_first(
    found: list[str], control: str
) -> None:
    assert check_variants(found, "variant", None) == control


def test_a_field_of_ids_names_no_variants() -> None:
    with pytest.raises(InvalidRequest, match="more than 50 values"):
        check_variants([str(number) for number in range(MOST_VARIANTS + 1)], "variant", "0")
