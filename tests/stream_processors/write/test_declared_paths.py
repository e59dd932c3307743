"""Declared paths as expressions: names are bound, never written into the text."""

from __future__ import annotations

from stream_processors.write.declared_paths import dimensions, event_value, result_dimensions

EVIL = "search_meta.x', 'String')) --"
EVIL_OF_RESULTS = "search_results.meta.x', 'String')) --"


def test_each_key_of_a_path_is_a_parameter() -> None:
    found = dimensions(["search_meta.device", "payload_filter.shop.id"])
    assert found.parameters == {
        "dimension_0": "search_meta.device",
        "dimension_0_key_0": "device",
        "dimension_1": "payload_filter.shop.id",
        "dimension_1_key_0": "shop",
        "dimension_1_key_1": "id",
    }
    assert "JSONExtract(ifNull(payload_filter, ''), {dimension_1_key_0:String}, " in found.sql
    assert "device" not in found.sql


def test_no_name_of_a_key_is_in_the_text() -> None:
    for found in (dimensions([EVIL]), result_dimensions([EVIL_OF_RESULTS])):
        assert "--" not in found.sql
        assert "x', 'String')) --" in found.parameters.values()


def test_paths_of_searches_and_of_results_are_noted_apart() -> None:
    paths = ["search_results.meta.price.band", "search_meta.device"]
    assert dimensions(paths).parameters == {
        "dimension_1": "search_meta.device",
        "dimension_1_key_0": "device",
    }
    found = result_dimensions(paths)
    assert found.parameters == {
        "dimension_0": "search_results.meta.price.band",
        "dimension_0_key_0": "price",
        "dimension_0_key_1": "band",
    }
    assert "arrayMap(meta -> " in found.sql
    assert "`search_results.meta`" in found.sql


def test_without_paths_there_is_an_empty_map_and_no_value() -> None:
    assert dimensions([]).parameters == {}
    assert result_dimensions([EVIL]).sql == "CAST([], 'Array(LowCardinality(String))')"
    assert event_value("").sql == "CAST(NULL, 'Nullable(Int64)')"


def test_the_value_of_an_event_is_a_number_at_its_path() -> None:
    found = event_value("meta.price.amount")
    assert found.parameters == {"event_value_key_0": "price", "event_value_key_1": "amount"}
    assert found.sql.startswith("accurateCastOrNull(round(JSONExtract(ifNull(meta, ''), ")
