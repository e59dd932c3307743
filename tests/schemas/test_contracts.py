from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import SetupError
from core.settings import Settings, TopicSettings
from schemas.contracts import ALL, ERASURE, EVENT, MARK, SESSION, load_versions
from schemas.topics import Topics

RECORD = json.dumps({"type": "record", "name": "Mark", "fields": []})


def write(directory: Path, *names: str, text: str = RECORD) -> Path:
    for name in names:
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def test_each_record_has_its_own_topic_and_subject() -> None:
    topics = Topics.from_settings(Settings(_env_file=None, topics=TopicSettings(prefix="shop.")))
    assert [topics.topic_of(contract) for contract in (SESSION, EVENT, MARK, ERASURE)] == [
        "shop.sessions",
        "shop.events",
        "shop.marks",
        "shop.erasures",
    ]
    assert topics.subject_of(SESSION) == "shop.sessions-value"
    assert topics.dead_letters == "shop.dead-letters"
    of_contracts = {topics.topic_of(contract) for contract in ALL}
    assert set(topics.all()) == of_contracts | {topics.dead_letters}


def test_the_registered_text_does_not_depend_on_white_space(tmp_path: Path) -> None:
    write(tmp_path, "mark.v1.avsc", text=json.dumps(json.loads(MARK.text), indent=8))
    assert load_versions(tmp_path)["mark"][0].text == MARK.text


def test_versions_come_oldest_first(tmp_path: Path) -> None:
    write(tmp_path, *(f"mark.v{n}.avsc" for n in (10, 2, 1, 3, 4, 5, 6, 7, 8, 9)))
    assert [c.version for c in load_versions(tmp_path)["mark"]] == list(range(1, 11))


@pytest.mark.parametrize("name", ["mark.avsc", "mark.v0.avsc", "mark.v1.json", "nothing.v1.avsc"])
def test_a_file_that_does_not_belong_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SetupError, match=name):
        load_versions(write(tmp_path, name))


def test_a_gap_in_the_versions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"gap: \[1, 3\]"):
        load_versions(write(tmp_path, "mark.v1.avsc", "mark.v3.avsc"))


@pytest.mark.parametrize("text", ["{", '{"type": "recrd", "name": "Mark"}', '"nothing"', "3"])
def test_a_file_that_is_no_schema_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(SetupError, match=r"mark\.v1\.avsc is not an Avro schema"):
        load_versions(write(tmp_path, "mark.v1.avsc", text=text))
