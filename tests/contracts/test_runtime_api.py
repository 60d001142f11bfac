"""The Runtime API against the real runtime client: what Lambda gives to a function, and what it makes of its ends."""

import json
import os
import socket
import threading
import time
from contextlib import closing

import orjson
import pytest
from function_builders import FIXTURES, declared, running

from tailrace_local.function_environments import Surroundings
from tailrace_local.functions import FunctionStoppedError, RequestTooLargeError, ThrottledError
from tailrace_local.runtime_api import RuntimeApi
from tailrace_local.runtime_packages import link_runtime_packages

MB = 1024 * 1024


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """One instance of the plain handler, kept over the tests that leave it alive."""
    with closing(running(tmp_path_factory.mktemp("plain"), declared())) as function:
        yield function


@pytest.fixture
def fresh(tmp_path):
    """Makes functions that are closed after the test."""
    made = []

    def make(handler="plain", surroundings=None, **settings):
        made.append(running(tmp_path, declared(handler, **settings), surroundings))
        return made[-1]

    yield make
    for function in made:
        function.close()


def answer(result):
    return json.loads(result.payload)


def test_an_event_reaches_the_handler_and_its_answer_comes_back(plain):
    result = plain.invoke({"do": "echo", "text": "ü € \U0001f600", "number": 1.5, "nothing": None})

    assert answer(result) == {"do": "echo", "text": "ü € \U0001f600", "number": 1.5, "nothing": None}
    assert result.function_error is None


def test_an_instance_is_kept_warm(plain):
    assert answer(plain.invoke({"do": "describe"}))["process"] == answer(plain.invoke({"do": "describe"}))["process"]


def test_the_context_is_lambdas(plain):
    context = answer(plain.invoke({"do": "describe"}))

    assert context["arn"] == "arn:aws:lambda:us-east-1:000000000000:function:tailrace-Fixture"
    assert (context["name"], context["memory"]) == ("tailrace-Fixture", "128")
    assert 19_000 < context["remaining_ms"] <= 20_000
    assert len(context["request_id"]) == 36


def test_the_environment_is_lambdas(plain):
    environment = answer(plain.invoke({"do": "describe"}))["environment"]

    assert environment["_HANDLER"] == "app.lambda_handler"
    assert environment["LAMBDA_TASK_ROOT"] == str(FIXTURES / "functions" / "plain")
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["AWS_ACCESS_KEY_ID"] == environment["AWS_SECRET_ACCESS_KEY"] == "test"
    assert environment["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert environment["TZ"] == ":UTC"
    assert environment["_X_AMZN_TRACE_ID"].startswith("Root=1-")


def test_nothing_else_of_the_parents_environment_leaks(fresh):
    parent = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/home/somebody", "AWS_PROFILE": "production"}
    environment = answer(fresh(surroundings=Surroundings(parent)).invoke({"do": "describe"}))["environment"]

    assert (environment["PATH"], environment["LANG"]) == (parent["PATH"], "C.UTF-8")
    assert {"HOME", "AWS_PROFILE"}.isdisjoint(environment)


def test_the_folder_of_the_function_is_its_working_directory_and_first_in_its_path(plain):
    context = answer(plain.invoke({"do": "describe"}))

    assert context["folder"] == str(FIXTURES / "functions" / "plain")
    assert context["path"][0] == context["folder"]


def test_the_layer_is_importable_and_opt_means_the_layer(fresh):
    layer = FIXTURES / "layer"
    function = fresh("layered", layers=(layer,), variables={"TABLES": "/opt/tables.json"})

    assert answer(function.invoke({}))["word"] == "from the layer"
    assert answer(function.invoke({}))["tables"] == str(layer / "tables.json")


def test_an_artefact_sees_the_runtimes_own_packages_and_no_other(fresh, tmp_path):
    runtime = link_runtime_packages(tmp_path / "runtime")
    around = Surroundings(parent=os.environ, runtime_packages=runtime)
    function = fresh("layered", around, layers=(FIXTURES / "layer",), variables={"TABLES": ""})

    assert answer(function.invoke({})) == {"word": "from the layer", "tables": "", "requests": False, "boto3": True}


def test_an_exception_is_a_function_error_with_type_message_and_trace(plain):
    result = plain.invoke({"do": "fail", "message": "no such luck"})

    error = answer(result)
    assert result.function_error == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no such luck")
    assert error["stackTrace"]
    assert "[ERROR] ValueError: no such luck" in result.log


def test_an_instance_survives_an_exception(plain):
    before = answer(plain.invoke({"do": "describe"}))["process"]
    plain.invoke({"do": "fail", "message": "again"})

    assert answer(plain.invoke({"do": "describe"}))["process"] == before


def test_what_an_invocation_prints_is_its_log_and_no_other_ones(plain):
    plain.invoke({"do": "log", "line": "the first"})
    result = plain.invoke({"do": "log", "line": "the second"})

    assert result.log == 'the second\n{"level": "INFO"}\n'
    assert result.payload == b"null"


def test_a_function_that_cannot_be_imported_is_a_function_error(fresh):
    result = fresh("broken").invoke({})

    error = answer(result)
    assert result.function_error == "Unhandled"
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "a_package_that_nobody_has" in error["errorMessage"]


def test_a_crash_is_a_function_error_and_the_next_invocation_gets_a_fresh_process(fresh):
    function = fresh()
    before = answer(function.invoke({"do": "describe"}))["process"]
    result = function.invoke({"do": "leave", "status": 3})
    after = answer(function.invoke({"do": "describe"}))["process"]

    assert result.function_error == "Unhandled"
    assert answer(result)["errorType"] == "Runtime.ExitError"
    assert answer(result)["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert after != before


def test_a_timeout_kills_the_process_and_the_next_invocation_gets_a_fresh_one(fresh):
    function = fresh(timeout_seconds=1)
    before = answer(function.invoke({"do": "describe"}))["process"]
    result = function.invoke({"do": "sleep", "seconds": 60})

    assert (result.function_error, answer(result)["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert answer(result)["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert 900 < result.duration_ms < 5000
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert answer(function.invoke({"do": "describe"}))["process"] != before


def test_a_request_of_6_mb_passes_and_a_larger_one_is_refused(plain):
    frame = len('{"do":"fill","size":1,"pad":""}')
    event = b'{"do":"fill","size":1,"pad":"' + b"x" * (6 * MB - frame) + b'"}'

    assert plain.invoke(event).payload == b'"x"'
    with pytest.raises(RequestTooLargeError, match=r"6291457 bytes; Lambda takes 6291456"):
        plain.invoke(event + b" ")


def test_a_response_of_6_mb_passes_and_a_larger_one_is_a_function_error(fresh):
    function = fresh()

    assert len(function.invoke({"do": "fill", "size": 6 * MB - 2}).payload) == 6 * MB
    result = function.invoke({"do": "fill", "size": 6 * MB - 1})
    assert (result.function_error, answer(result)["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
    assert function.invoke({"do": "echo"}).function_error is None


def test_invocations_at_the_same_time_get_instances_of_their_own(fresh):
    function, processes = fresh(), []
    calls = [threading.Thread(target=lambda: processes.append(_process_after_a_nap(function))) for _ in range(2)]
    for call in calls:
        call.start()
    for call in calls:
        call.join()

    assert len(set(processes)) == 2


def test_reserved_concurrency_throttles_what_goes_beyond_it(fresh):
    function = fresh(reserved_concurrency=0)

    with pytest.raises(ThrottledError):
        function.invoke({})


def test_closing_ends_the_process_and_an_invocation_that_is_under_way(fresh):
    function, results = fresh(), []
    process = answer(function.invoke({"do": "describe"}))["process"]
    call = threading.Thread(target=lambda: results.append(function.invoke({"do": "sleep", "seconds": 60})))
    call.start()
    time.sleep(0.2)
    function.close()
    call.join(5)

    assert answer(results[0])["errorType"] == "Runtime.ExitError"
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(FunctionStoppedError):
        function.invoke({})


def test_it_listens_on_loopback_only():
    with closing(RuntimeApi()) as api:
        assert api.address.startswith("127.0.0.1:")


def test_a_stranger_at_the_port_changes_nothing(fresh):
    function = fresh()
    address = answer(function.invoke({"do": "describe"}))["environment"]["AWS_LAMBDA_RUNTIME_API"]
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert function.invoke({"do": "echo"}).function_error is None
        assert stranger.recv(100).startswith(b"HTTP/1.1 404 ")


def test_bytes_are_sent_as_they_are(plain):
    assert plain.invoke(orjson.dumps({"do": "echo"})).payload == b'{"do": "echo"}'


def _process_after_a_nap(function):
    function.invoke({"do": "sleep", "seconds": 0.5})
    return answer(function.invoke({"do": "describe"}))["process"]
