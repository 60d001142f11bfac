"""Law 2: whatever the sources deliver and wherever the function dies, the index ends equal to the tables."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings

from model.judging import history_of, judge_on_twin, judged_counts
from model.real_judge import RealJudge
from model.soak import report_divergence
from model.steps import FAULTS, WEIGHTS, Step, shrink
from model.strategies import histories
from tailrace.outcomes import Outcome

REAL_HISTORIES = 320


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_law_2_any_history_ends_with_the_index_equal_to_the_tables_on_the_twin(history):
    assert judge_on_twin(history) is None


def test_law_2_histories_of_seeds_end_with_the_index_equal_to_the_tables_on_the_twin():
    wrong = {seed: judge_on_twin(history_of(seed)) for seed in range(1_000, 1_300)}

    assert {seed: text for seed, text in wrong.items() if text} == {}


@pytest.mark.slow
def test_law_2_failures_24_25_histories_end_with_the_index_equal_to_the_tables_on_a_real_engine(opensearch, corner):
    judge = RealJudge(opensearch, corner)

    verdicts = judge.judge({seed: history_of(seed) for seed in range(REAL_HISTORIES)})

    assert verdicts.histories == REAL_HISTORIES
    assert [report_divergence(judge, seed, text) for seed, text in verdicts.divergences.items()] == []


def test_the_histories_hold_every_step_and_every_fault():
    steps = [step for seed in range(100) for step in history_of(seed)]

    assert {step.kind for step in steps} == set(WEIGHTS)
    assert {step.fault for step in steps} == {"", *FAULTS}
    assert any(inner.meanwhile for step in steps for inner in step.meanwhile)


def test_the_histories_meet_every_outcome_and_every_way_to_settle():
    counts = sum((judged_counts(history_of(seed)) for seed in range(300)), Counter())

    for name in (*Outcome.__members__, "settle_reads", "item_reads", "crashes", "swept", "retries"):
        assert counts[name.lower()] > 10, name


def test_a_history_that_fails_is_shrunk_to_what_matters():
    history = (*history_of(1), Step("put", table=3), Step("wait", amount=3))

    assert shrink(history, lambda steps: any(step.kind == "put" and step.table == 3 for step in steps)) == (
        Step("put", table=3),
    )
