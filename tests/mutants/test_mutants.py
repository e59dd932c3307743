"""Each deliberate break is caught: the model-based tests are worth what they catch."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.mutants.catalogue import CATALOGUE, Mutant
from tests.stream_processors.consume.test_offset_ledger import Worker
from tests.stream_processors.join import test_facts_scenarios as facts
from tests.stream_processors.join import test_scenarios as scenarios
from tests.stream_processors.join.test_model import CappedLife, Life

# No shrinking: that it fails is all we want to know. The same lives every time.
THOROUGH = settings(
    max_examples=400,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def run_the_models() -> None:
    for inserts in range(5):
        scenarios.test_a_crash_between_the_inserts_of_an_adoption_loses_no_event(inserts)
    scenarios.test_a_batch_of_before_the_rebalance_acknowledges_nothing_after_it()
    for is_filter_filled in (False, True):
        scenarios.test_a_worker_that_takes_over_knows_what_is_stored(is_filter_filled)
    scenarios.test_what_waits_already_counts_for_the_cap()
    scenarios.test_a_session_read_before_and_after_a_takeover_has_one_day()
    scenarios.test_workers_that_flush_at_the_same_time_miss_no_pair()
    scenarios.test_a_session_that_a_dead_worker_stored_still_adopts()
    scenarios.test_the_clean_up_between_two_workers_deletes_no_event_that_is_not_joined()
    scenarios.test_a_session_that_a_reader_can_see_has_what_came_before_it()
    facts.test_facts_that_a_dead_worker_has_not_computed_are_computed_by_the_next_one()
    facts.test_facts_follow_the_flushes_of_a_worker_that_runs()
    facts.test_what_is_touched_while_others_are_computed_is_not_noted_with_them()
    facts.test_facts_that_were_read_before_an_event_lose_against_those_with_it()
    facts.test_facts_that_were_read_before_a_mark_lose_against_those_with_it()
    for third in (4, 6):
        facts.test_a_first_post_that_a_replay_brings_back_is_in_the_facts(4, third)
    for model in (Life, CappedLife, Worker):
        run_state_machine_as_test(model, settings=THOROUGH)


@pytest.mark.parametrize("mutant", CATALOGUE, ids=lambda mutant: mutant.__name__)
def test_the_model_catches(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError):  # not a mutant that no longer fits what it changes
        run_the_models()
