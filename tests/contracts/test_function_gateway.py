"""The emulator's Step Functions call the laptop's functions, and hear of errors by their own types."""

import json
import time
import urllib.error
import urllib.request

import pytest
from function_builders import declared, running

from tailrace_local.arns import function_arn
from tailrace_local.clients import Clients
from tailrace_local.emulator import Emulator
from tailrace_local.function_gateway import FunctionGateway
from tailrace_local.state_machine_properties import StateMachine
from tailrace_local.state_machines import StateMachines

pytestmark = pytest.mark.slow
INVOKE = "arn:aws:states:::lambda:invoke"
CALL = {
    "Type": "Task",
    "Resource": INVOKE,
    "Parameters": {"FunctionName": function_arn("tailrace-Fixture"), "Payload.$": "$"},
    "Retry": [{"ErrorEquals": ["ValueError"], "IntervalSeconds": 1, "MaxAttempts": 1}],
    "End": True,
}


@pytest.fixture(scope="module")
def function(tmp_path_factory):
    fixture = running(tmp_path_factory.mktemp("logs"), declared())
    yield fixture
    fixture.close()


@pytest.fixture(scope="module")
def clients(function):
    machine = StateMachine("calls", json.dumps({"StartAt": "Call", "States": {"Call": CALL}}))
    with Emulator() as emulator:
        machines = StateMachines({"Calls": machine}, {"Fixture": function})
        known = Clients(emulator.url)
        machines.start(known)
        yield known
        machines.close()


def run(clients, event):
    client = clients.state_machines
    [machine] = client.list_state_machines()["stateMachines"]
    started = client.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(event))
    deadline = time.monotonic() + 60
    while (found := client.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found, client.get_execution_history(executionArn=started["executionArn"])["events"]


def test_a_task_is_answered_by_the_real_function(clients):
    done, _ = run(clients, {"do": "echo", "say": "hello"})

    assert done["status"] == "SUCCEEDED", done
    assert json.loads(done["output"])["Payload"] == {"do": "echo", "say": "hello"}


def test_an_error_keeps_its_type_so_that_retries_go_by_it(clients):
    failed, events = run(clients, {"do": "fail", "message": "no such order"})

    assert (failed["status"], failed["error"]) == ("FAILED", "ValueError")
    assert json.loads(failed["cause"])["errorMessage"] == "no such order"
    assert len([each for each in events if each["type"] == "TaskFailed"]) == 2


def test_who_does_not_know_the_token_is_not_served(function):
    gateway = FunctionGateway({"Fixture": function})
    gateway.start()
    try:
        url = gateway._server.url("tailrace-Fixture").replace(gateway._server.token, "guess")
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(url, b"{}", timeout=5)
    finally:
        gateway.close()
