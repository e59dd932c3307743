"""Each check sees what it is there for, and says what to do."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clickstream.operations.doctor import (
    connectivity_checks,
    dead_letter_checks,
    pipeline_checks,
    schema_checks,
)
from clickstream.operations.doctor.checks import Views, checks, without_secrets
from clickstream.operations.doctor.clients import Counts, Readiness, Registered
from clickstream.operations.doctor.result import Status, healthy
from clickstream.operations.doctor.runner import examine
from schemas.topics import Topics, definitions
from tests.clickstream.operations.doctor.fakes import (
    SETTINGS,
    FakeClickHouse,
    FakeHttp,
    FakeKafka,
    FakeRegistry,
    declared_schemas,
)

TOPICS = Topics.from_settings(SETTINGS)
DECLARED = definitions(SETTINGS)


def test_a_healthy_system_is_green_in_every_line() -> None:
    views = Views(FakeKafka(), FakeRegistry(), FakeClickHouse(), FakeHttp())
    findings = examine(checks(SETTINGS, views, http_is_ours=True))
    assert {f.status for f in findings} == {Status.OK}


@pytest.mark.parametrize("culprit", ["kafka", "registry", "clickhouse"])
def test_a_stopped_server_is_the_only_one_blamed(culprit: str) -> None:
    broken = ConnectionError("refused")
    views = Views(
        FakeKafka(down=broken if culprit == "kafka" else None),
        FakeRegistry(down=broken if culprit == "registry" else None),
        FakeClickHouse(down=broken if culprit == "clickhouse" else None),
        FakeHttp(),
    )
    findings = examine(checks(SETTINGS, views, http_is_ours=True))
    assert [f.name for f in findings if f.status is Status.FAIL] == [culprit]
    assert not healthy(findings)


def test_a_missing_topic_is_named() -> None:
    kafka = FakeKafka()
    del kafka.states[TOPICS.marks]
    verdict = schema_checks.check_topics(kafka, DECLARED)
    assert verdict.status is Status.FAIL
    assert TOPICS.marks in verdict.seen
    assert "clickstream topics" in verdict.advice


def test_another_partition_count_is_told_with_both_numbers() -> None:
    kafka = FakeKafka()
    kafka.states[TOPICS.events] = replace(kafka.states[TOPICS.events], partitions=3)
    verdict = schema_checks.check_topics(kafka, DECLARED)
    assert f"{TOPICS.events} has 3 partitions, declared 8" in verdict.seen


def test_another_retention_is_told() -> None:
    kafka = FakeKafka()
    state = kafka.states[TOPICS.events]
    changed = {**state.config, "retention.ms": "1"}
    kafka.states[TOPICS.events] = replace(state, config=changed)
    verdict = schema_checks.check_topics(kafka, DECLARED)
    assert verdict.status is Status.FAIL
    assert "retention.ms" in verdict.seen


def test_an_unregistered_schema_is_named() -> None:
    schemas = declared_schemas()
    del schemas["clickstream.events-value"]
    verdict = schema_checks.check_schemas(FakeRegistry(schemas), TOPICS)
    assert verdict.status is Status.FAIL
    assert "clickstream.events-value" in verdict.seen


def test_a_foreign_schema_is_not_taken_for_ours() -> None:
    schemas = declared_schemas()
    schemas["clickstream.events-value"] = Registered(9, 2, '"string"')
    verdict = schema_checks.check_schemas(FakeRegistry(schemas), TOPICS)
    assert verdict.status is Status.FAIL
    assert "version 2 is not ours" in verdict.seen


def test_a_weaker_compatibility_level_is_told() -> None:
    verdict = schema_checks.check_schemas(FakeRegistry(level="BACKWARD"), TOPICS)
    assert verdict.status is Status.FAIL
    assert "BACKWARD" in verdict.seen


def test_a_schema_that_was_only_laid_out_anew_is_ours() -> None:
    schemas = {
        subject: Registered(r.schema_id, r.version, json.dumps(json.loads(r.text), indent=2))
        for subject, r in declared_schemas().items()
    }
    assert schema_checks.check_schemas(FakeRegistry(schemas), TOPICS).status is Status.OK


def test_a_drifted_table_is_told() -> None:
    verdict = schema_checks.check_tables(FakeClickHouse(differences=["sessions has no column x"]))
    assert verdict.status is Status.FAIL
    assert "sessions has no column x" in verdict.seen


def test_a_group_without_members_fails() -> None:
    verdict = pipeline_checks.check_worker(FakeKafka(members=0))
    assert verdict.status is Status.FAIL
    assert "clickstream worker" in verdict.advice


@pytest.mark.parametrize(
    ("lag", "status"),
    [(pipeline_checks.LAG_TO_WARN, Status.OK), (pipeline_checks.LAG_TO_WARN + 1, Status.WARN)],
)
def test_a_long_lag_warns(lag: int, status: Status) -> None:
    assert pipeline_checks.check_lag(FakeKafka(lags={"events": lag})).status is status


def test_a_key_that_readers_see_twice_fails() -> None:
    verdict = pipeline_checks.check_duplicates(FakeClickHouse(tables={"sessions": Counts(3, 2)}))
    assert verdict.status is Status.FAIL
    assert "3 rows for 2 keys" in verdict.seen


def test_a_session_that_its_hash_hides_fails() -> None:
    assert pipeline_checks.check_hashes(FakeClickHouse()).status is Status.OK
    verdict = pipeline_checks.check_hashes(FakeClickHouse(hidden=2))
    assert verdict.status is Status.FAIL
    assert "2 session(s)" in verdict.seen


def test_dead_letters_warn_with_their_reasons() -> None:
    counts = {"undecodable": 4, "wrong_key": 7}
    verdict = dead_letter_checks.check_dead_letters(FakeClickHouse(letters=counts))
    assert (verdict.status, verdict.seen) == (Status.WARN, "4 undecodable, 7 wrong_key")
    assert "`clickstream dlq list --reason wrong_key`" in verdict.advice


def test_unjoined_events_warn_when_they_have_waited_long() -> None:
    day = pipeline_checks.UNJOINED_SECONDS_TO_WARN
    assert pipeline_checks.check_unjoined(FakeClickHouse(waiting=(1, day))).status is Status.OK
    late = pipeline_checks.check_unjoined(FakeClickHouse(waiting=(1, 3 * day)))
    assert late.status is Status.WARN
    assert "3 days" in late.seen


def test_silence_at_the_http_port_fails_only_when_up_says_it_listens() -> None:
    assert connectivity_checks.check_http(FakeHttp(None), ours=True).status is Status.FAIL
    assert connectivity_checks.check_http(FakeHttp(None), ours=False).status is Status.WARN


def test_an_unready_http_process_tells_its_reasons() -> None:
    verdict = connectivity_checks.check_http(
        FakeHttp(Readiness(503, "kafka is silent")), ours=False
    )
    assert verdict.status is Status.FAIL
    assert "kafka is silent" in verdict.seen


def test_passwords_stay_out_of_the_report() -> None:
    shown = without_secrets("http://user:secret@host:8123/clickstream")
    assert shown == "http://host:8123/clickstream"
