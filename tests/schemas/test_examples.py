"""The payloads of schemas/examples are what their schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import schemas
from schemas.codec import Decoder, Encoder
from schemas.contracts import VERSIONS, Contract
from tests.schemas.memory_registry import MemoryRegistry

EXAMPLES = sorted((Path(schemas.__file__).parent / "examples").glob("*.json"))


def contract_of(example: Path) -> Contract:
    name, version, _ = example.name.split(".", 2)
    return VERSIONS[name][int(version.removeprefix("v")) - 1]


def payload_of(example: Path) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(example.read_text(encoding="utf-8"))
    if example.name.startswith("erasure."):
        _text_to_bytes(payload, "user_hash")
        for name in ("session_hashes", "dead_letter_hashes"):
            if name in payload:
                payload[name] = [text.encode("latin-1") for text in payload[name]]
    return payload


def _text_to_bytes(payload: dict[str, Any], *fields: str) -> None:
    for field in fields:
        if payload.get(field) is not None:
            payload[field] = payload[field].encode("latin-1")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_is_written_and_read_back_as_it_is(example: Path) -> None:
    contract, payload = contract_of(example), payload_of(example)
    registry = MemoryRegistry()
    schema_id = registry.register("subject", contract.text)

    decoded = Decoder(contract, registry).decode(Encoder(contract, schema_id).encode(payload))

    fields = {field["name"]: field for field in json.loads(contract.text)["fields"]}
    assert payload.keys() <= fields.keys(), "a field that the schema does not have"
    for name, value in decoded.items():
        if name == "search_results":
            assert [{"rank": None, "meta": None, **r} for r in payload[name]] == value
        else:
            assert value == payload.get(name, fields[name].get("default"))


@pytest.mark.parametrize(
    "contract", [c for cs in VERSIONS.values() for c in cs], ids=lambda c: f"{c.name} {c.version}"
)
def test_every_version_of_every_record_has_several_examples(contract: Contract) -> None:
    assert len([path for path in EXAMPLES if contract_of(path) == contract]) >= 3
