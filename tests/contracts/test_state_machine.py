"""The reindex state machine keeps its promises: tasks are retried, and a run ends in the swap or in a sentence."""

from pathlib import Path

import pytest
import yaml

from tailrace import reindex_steps
from tailrace_local.cloudformation import load_document

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "statemachines" / "reindex.asl.yaml").read_text(encoding="utf-8")
MACHINE = yaml.safe_load(TEXT)
STATES = MACHINE["States"]
MAP = STATES["Load"]
CHILD = MAP["ItemProcessor"]["States"]
TASKS = {name: state for name, state in {**STATES, **CHILD}.items() if state["Type"] == "Task"}
OF_LAMBDA = {
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.SdkClientException",
    "Lambda.AWSLambdaException",
}
PASSING = {"EngineError", "ItemReadError", "LetterBoxError", "DeadLetterStoreError", "Sandbox.Timedout"}
PROPERTIES = load_document(ROOT / "template.yaml")["Resources"]["ReindexStateMachine"]["Properties"]
each_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def next_states(state):
    told = [state, *state.get("Choices", []), *state.get("Catch", [])]
    return {each[word] for each in told for word in ("Next", "Default") if word in each}


@each_task
def test_a_task_outlasts_troubles_of_lambda_of_the_engine_of_the_bucket_and_of_the_table(task):
    of_lambda, own = task["Retry"]

    assert set(of_lambda["ErrorEquals"]) == OF_LAMBDA
    assert set(own["ErrorEquals"]) >= PASSING
    assert [each["BackoffRate"] for each in (of_lambda, own)] == [2, 2]
    assert all(each["MaxAttempts"] >= 5 and each["MaxDelaySeconds"] <= 300 for each in (of_lambda, own))


@pytest.mark.parametrize("name", TASKS)
def test_a_page_that_the_engine_does_not_take_in_time_is_tried_again_but_a_missing_slice_is_not(name):
    assert ("LoadError" in TASKS[name]["Retry"][1]["ErrorEquals"]) == (name != "FinishLoad")


@each_task
def test_a_task_takes_a_step_that_there_is(task):
    assert task["Parameters"]["Payload"]["step"] in reindex_steps._STEPS
    assert task["Parameters"]["FunctionName"] == "${ReindexerArn}"


@each_task
def test_a_task_that_fails_fails_the_execution_so_that_a_redrive_begins_there(task):
    assert "Catch" not in task
    assert "Fail" not in {state["Type"] for state in STATES.values()}


def test_one_child_takes_one_slice_as_often_as_it_needs():
    assert MAP["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert "ItemBatcher" not in MAP
    assert MAP["ItemSelector"] == {"table.$": "$.table", "slice.$": "$$.Map.Item.Value.slice"}
    assert CHILD["IsSliceLoaded"]["Default"] == "LoadSlice"


def test_whatever_becomes_of_the_map_the_gate_comes_before_the_verification():
    assert next_states(MAP) == {"FinishLoad"}
    assert [name for name, state in STATES.items() if "Verify" in next_states(state)] == ["IsLoaded"]
    assert [name for name, state in STATES.items() if "IsLoaded" in next_states(state)] == ["FinishLoad"]


def test_nothing_is_swapped_but_what_was_verified():
    assert [name for name, state in STATES.items() if "Swap" in next_states(state)] == ["Verify"]


def test_every_state_can_be_reached_and_every_name_is_a_state():
    for states, first in ((STATES, MACHINE["StartAt"]), (CHILD, MAP["ItemProcessor"]["StartAt"])):
        assert {first} | {name for state in states.values() for name in next_states(state)} == set(states)


def test_limits_are_numbers_of_parameters():
    assert "    MaxConcurrency: ${MaxConcurrency}\n" in TEXT
    assert "    ToleratedFailurePercentage: ${ToleratedFailurePercentage}\n" in TEXT
    given = PROPERTIES["DefinitionSubstitutions"]
    assert given["MaxConcurrency"] == {"Ref": "ReindexConcurrency"}
    assert given["ToleratedFailurePercentage"] == {"Ref": "ReindexToleratedFailures"}
