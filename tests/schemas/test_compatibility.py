from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from typer.testing import CliRunner

from core.errors import SchemaIncompatible
from schemas.compatibility import find_clash, incompatibilities
from schemas.contracts import SESSION, VERSIONS
from tests.examples import examples
from tests.schemas.avro_pairs import Shape, pairs, witnesses

Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> str:
    schema = json.loads(SESSION.text)
    change(schema)
    return json.dumps(schema)


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return next(field for field in schema["fields"] if field["name"] == name)


def result_field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return field(field(schema, "search_results")["type"]["items"], name)


GOOD: dict[str, Change] = {
    "add a field with a default": lambda s: s["fields"].append(
        {"name": "locale", "type": ["null", "string"], "default": None}
    ),
    "remove a field that has a default": lambda s: s["fields"].remove(field(s, "user_id")),
    "add a field with a default to a nested record": lambda s: field(s, "search_results")["type"][
        "items"
    ]["fields"].append({"name": "price", "type": "double", "default": 0.0}),
    "string to bytes, which read each other": lambda s: field(s, "search_query").update(
        type="bytes"
    ),
    "change a doc": lambda s: s.update(doc="other words"),
    "reorder the fields": lambda s: s["fields"].reverse(),
    "move to another namespace": lambda s: s.update(namespace="elsewhere"),
}

# What is changed → where and why the report must say it is wrong.
BAD: dict[str, tuple[Change, str, str]] = {
    "remove a field without default": (
        lambda s: s["fields"].remove(field(s, "search_query")),
        "Session.search_query",
        "missing default value",
    ),
    "add a field without default": (
        lambda s: s["fields"].append({"name": "locale", "type": "string"}),
        "Session.locale",
        "missing default value",
    ),
    "rename a field": (
        lambda s: field(s, "search_query").update(name="query"),
        "Session.query",
        "missing default value",
    ),
    "change a type": (
        lambda s: field(s, "session_id").update(type="long"),
        "Session.session_id",
        "reader type: long not compatible with writer type: string",
    ),
    "widen a type, which reads one way only": (
        lambda s: field(s, "search_query").update(type=["null", "string"]),
        "Session.search_query",
        "reader type: string not compatible with writer type: null",
    ),
    "take null from a union": (
        lambda s: (field(s, "user_id").pop("default"), field(s, "user_id").update(type="string")),
        "Session.user_id",
        "reader type: string not compatible with writer type: null",
    ),
    "change a branch of a union in a nested record": (
        lambda s: result_field(s, "rank").update(type=["null", "string"]),
        "Session.search_results[].rank",
        "lacking writer type: DOUBLE",
    ),
    "remove a nested field without default": (
        lambda s: field(s, "search_results")["type"]["items"]["fields"].remove(
            result_field(s, "object_id")
        ),
        "Session.search_results[].object_id",
        "missing default value",
    ),
    "array to map": (
        lambda s: field(s, "search_results").update(type={"type": "map", "values": "string"}),
        "Session.search_results",
        "reader type: map not compatible with writer type: array",
    ),
    "change the unit of a time": (
        lambda s: field(s, "created_at")["type"].update(logicalType="timestamp-micros"),
        "Session.created_at",
        "another meaning",
    ),
    "rename the record": (
        lambda s: s.update(name="Search"),
        "Session",
        "name mismatch",
    ),
}


def test_our_own_versions_are_compatible() -> None:
    for name, versions in VERSIONS.items():
        texts = {contract.version: contract.text for contract in versions}
        assert incompatibilities(name, texts) == []


@pytest.mark.parametrize("name", GOOD)
def test_a_good_change_passes(name: str) -> None:
    assert incompatibilities("session", {1: SESSION.text, 2: changed(GOOD[name])}) == []


@pytest.mark.parametrize("name", BAD)
def test_a_bad_change_is_named_by_field_and_rule(name: str) -> None:
    change, path, rule = BAD[name]
    found = incompatibilities("session", {1: SESSION.text, 2: changed(change)})
    assert any(each.clash.path == path and rule in each.clash.rule for each in found), found


def test_every_version_is_compared_with_every_other_not_only_with_the_last() -> None:
    """2 can read 1 and 3 can read 2, but 3 takes the field of 1 for something else."""

    def version(*fields: dict[str, Any]) -> str:
        return json.dumps({"type": "record", "name": "R", "fields": list(fields)})

    versions = {
        1: version({"name": "a", "type": "string", "default": ""}),
        2: version(),
        3: version({"name": "a", "type": "int", "default": 0}),
    }
    assert {(each.reader, each.writer) for each in incompatibilities("r", versions)} == {
        (1, 3),
        (3, 1),
    }


def test_an_enum_needs_a_default_for_symbols_it_does_not_know() -> None:
    def enum(symbols: str, **default: str) -> str:
        return json.dumps({"type": "enum", "name": "E", "symbols": list(symbols), **default})

    assert "missing enum symbols ({'Z'})" in str(find_clash(enum("XY"), enum("XYZ")))
    assert find_clash(enum("XY", default="X"), enum("XYZ")) is None
    assert find_clash(enum("XYZ"), enum("XY")) is None


def test_a_fixed_type_may_not_change_its_size() -> None:
    def fixed(size: int) -> str:
        return json.dumps({"type": "fixed", "name": "F", "size": size})

    assert find_clash(fixed(4), fixed(4)) is None
    assert "expected: 8, found: 4" in str(find_clash(fixed(4), fixed(8)))


def test_a_renamed_type_and_field_are_found_by_their_aliases() -> None:
    def record(name: str, field_name: str, **aliases: list[str]) -> str:
        fields = [{"name": field_name, "type": "int", **aliases}]
        return json.dumps({"type": "record", "name": name, "fields": fields, **aliases})

    assert find_clash(record("New", "b", aliases=["Old", "a"]), record("Old", "a")) is None
    assert find_clash(record("Old", "a"), record("New", "b")) is not None


def test_a_recursive_type_is_compared_without_end() -> None:
    def tree(value: str) -> str:
        fields = [
            {"name": "value", "type": value},
            {"name": "children", "type": {"type": "array", "items": "Tree"}},
        ]
        return json.dumps({"type": "record", "name": "Tree", "fields": fields})

    assert find_clash(tree("long"), tree("int")) is None
    clash = find_clash(tree("int"), tree("long"))
    assert clash is not None
    assert clash.path == "Tree.value"


@pytest.mark.parametrize("text", ["", "{", "3", '"nothing"', '{"type": "array"}'])
def test_what_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(SchemaIncompatible, match="not an Avro schema"):
        find_clash(SESSION.text, text)


@hypothesis.settings(max_examples=examples(400), deadline=None)
@hypothesis.given(pairs())
def test_the_verdict_is_whether_fastavro_can_read_the_data(pair: tuple[Shape, Shape]) -> None:
    reader, writer = pair
    clash = find_clash(json.dumps(reader), json.dumps(writer))
    hypothesis.event("clash" if clash else "compatible")
    assert (clash is None) == _reads(reader, writer), clash


def _reads(reader: Shape, writer: Shape) -> bool:
    parsed_reader, parsed_writer = parse_schema(reader, {}), parse_schema(writer, {})
    try:
        for datum in witnesses(writer):
            buffer = BytesIO()
            schemaless_writer(buffer, parsed_writer, datum)
            buffer.seek(0)
            schemaless_reader(buffer, parsed_writer, parsed_reader)
    except SchemaResolutionError:
        return False
    return True


def check(*arguments: str) -> tuple[int, str]:
    from clickstream.commands.schemas import app

    result = CliRunner().invoke(app, ["check", *arguments])
    return result.exit_code, result.output


def test_the_command_passes_our_schemas() -> None:
    assert check() == (0, "compatible: erasure (1), event (1), mark (1), session (1)\n")


def test_the_command_fails_on_a_bad_change_and_names_the_field(tmp_path: Path) -> None:
    (tmp_path / "session.v1.avsc").write_text(SESSION.text, encoding="utf-8")
    bad = changed(BAD["add a field without default"][0])
    (tmp_path / "session.v2.avsc").write_text(bad, encoding="utf-8")

    status, output = check("--directory", str(tmp_path))
    assert status == 1
    assert output.startswith("session: version 2 cannot read version 1: Session.locale: ")

    status, output = check("--directory", str(tmp_path), "--json")
    assert status == 1
    assert json.loads(output)["compatible"] is False
