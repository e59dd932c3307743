"""What `make audit` says of reports, and what `make sbom` writes down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from clickstream.local.engines.lockfile import read_lock
from deploy import audit, sbom


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_an_advisory_is_told_with_its_remedy() -> None:
    vulnerability = {"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"], "aliases": []}
    advisories = audit.read_advisories(
        report({"name": "leaky", "version": "2.0", "vulns": [vulnerability]})
    )
    assert advisories.found == ("leaky 2.0: PYSEC-1, fixed in 2.1, 3.0",)


def test_a_package_that_could_not_be_asked_about_is_not_counted_as_safe() -> None:
    skipped = {"name": "unknown", "skip_reason": "Dependency not found"}
    clean = {"name": "clean", "version": "1.0", "vulns": []}
    assert audit.read_advisories(report(skipped, clean)) == audit.Advisories(1, ())


def test_a_withdrawn_version_is_found() -> None:
    def item(name: str, **more: bool) -> dict[str, Any]:
        return {"metadata": {"name": name, "version": "1.0"}, **more}

    found = audit.read_withdrawn({"install": [item("good"), item("bad", is_yanked=True)]})
    assert found == ("bad 1.0: withdrawn by its authors",)


def test_a_tool_that_breaks_is_an_error_and_not_a_clean_bill(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> str:
        raise audit.AuditError("pip-audit ended with 2")

    monkeypatch.setattr(audit, "run_pip_audit", broken)
    monkeypatch.setattr("sys.argv", ["audit.py"])
    assert audit.main() == 2
    assert "pip-audit ended with 2" in capsys.readouterr().err


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    return sbom.bill_of_materials()


def without_most_links(bill: dict[str, Any]) -> dict[str, Any]:
    """Of the packages, the first ten alone keep their links: the validator takes 25 ms for each."""

    def bare(component: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in component.items() if name != "externalReferences"}

    linked = [each for each in bill["components"] if "externalReferences" in each][:10]
    components = [each if each in linked else bare(each) for each in bill["components"]]
    return {**bill, "components": components}


def test_the_bill_is_valid(bill: dict[str, Any]) -> None:
    validator = JsonStrictValidator(SchemaVersion.from_version(bill["specVersion"]))
    assert validator.validate_str(json.dumps(without_most_links(bill))) is None


def test_a_bill_with_a_component_without_a_name_is_not_valid(bill: dict[str, Any]) -> None:
    validator = JsonStrictValidator(SchemaVersion.from_version(bill["specVersion"]))
    broken = {**bill, "components": [{"type": "library"}]}
    assert validator.validate_str(json.dumps(broken)) is not None


def test_the_bill_has_the_packages_and_every_engine_with_its_checksum(bill: dict[str, Any]) -> None:
    by_name = {component["name"]: component for component in bill["components"]}
    assert "faust-streaming" in by_name
    for file in (*read_lock().kafka, read_lock().registry):
        component = by_name[file.coordinate.split(":")[1]]
        assert component["hashes"] == [{"alg": "SHA-256", "content": file.sha256}]
    assert len(by_name["lib-linux-x64-gnu"]["hashes"][0]["content"]) == 128
