"""`tailrace invoke` with nothing up: one event through the real runtime client, and every mistake in one sentence."""

import json
import signal
import subprocess
import sys
import time

import pytest
from cloud_builders import link_home, polite_engine
from function_builders import FIXTURES

from tailrace_cli.main import run

pytestmark = pytest.mark.slow

TEMPLATE = str(FIXTURES / "template.yaml")
COMMAND = "import sys; from tailrace_cli.entry import main; sys.argv[0] = 'tailrace'; main()"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A TAILRACE_HOME in which nothing is up, and an engine."""
    folder = link_home(tmp_path_factory.mktemp("home"))
    with polite_engine() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAILRACE_HOME", str(folder))
        patch.setenv("TAILRACE_OPENSEARCH_URL", url)
        yield folder


@pytest.fixture
def invoke(home, capsys, tmp_path):
    """Invokes a function with an event: exit status, standard output, standard error."""

    def call(function, event, *options):
        path = tmp_path / "event.json"
        path.write_text(event)
        capsys.readouterr()
        status = run(["invoke", function, str(path), "--template", TEMPLATE, *options])
        return (status, *capsys.readouterr())

    return call


@pytest.mark.parametrize("name", ["PlainFunction", "plain", "Plain"])
def test_a_function_is_named_by_its_logical_id_or_its_folder(invoke, name):
    status, out, _ = invoke(name, '{"do": "echo", "x": [1, "ü"]}')

    assert (status, json.loads(out)) == (0, {"do": "echo", "x": [1, "ü"]})


def test_a_machine_gets_response_error_and_log(invoke):
    status, out, _ = invoke("plain", '{"do": "log", "line": "seen"}', "--json")

    found = json.loads(out)
    assert status == 0
    assert (found["function"], found["response"], found["function_error"]) == ("PlainFunction", None, None)
    assert found["log"].startswith("seen\n")
    assert found["duration_ms"] > 0


def test_a_function_error_exits_with_1_and_shows_the_log(invoke):
    status, out, err = invoke("plain", '{"do": "fail", "message": "no such luck"}')

    assert (status, json.loads(out)["errorMessage"]) == (1, "no such luck")
    assert "[ERROR] ValueError: no such luck" in err


def test_nothing_is_left_of_the_cloud_that_was_started_for_it(invoke, home):
    invoke("plain", '{"do": "echo"}')

    assert list((home / "run").glob("cloud-*/")) == []
    assert run(["local", "status"]) == 1


@pytest.mark.parametrize(
    ("function", "event", "problem"),
    [
        ("nobody", "{}", "there is no function nobody: the template declares StreamFunction, PlainFunction"),
        ("plain", "{nonsense", "event.json:1: not JSON: "),
        ("plain", "", "event.json:1: not JSON: "),
    ],
)
def test_a_users_mistake_is_one_sentence(invoke, function, event, problem):
    status, out, err = invoke(function, event)

    assert (status, out) == (2, "")
    assert problem in err
    assert len(err.splitlines()) == 1


def test_ctrl_c_during_an_invocation_leaves_nothing(home, tmp_path):
    event = tmp_path / "event.json"
    event.write_text('{"do": "sleep", "seconds": 60}')
    arguments = ["invoke", "plain", str(event), "--template", TEMPLATE]
    caller = subprocess.Popen([sys.executable, "-c", COMMAND, *arguments], stderr=subprocess.PIPE, text=True)
    with caller:
        logs = _first_path(home, "run/cloud-*/logs/tailrace-PlainFunction-1.log")
        caller.send_signal(signal.SIGINT)
        error = caller.stderr.read()

    assert (caller.returncode, error.strip()) == (130, "Interrupted.")
    assert not logs.parents[1].exists()
    assert list((home / "run").glob("emulator-*/")) == []


def _first_path(folder, pattern):
    deadline = time.monotonic() + 10
    while not (found := list(folder.glob(pattern))) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found[0]


def test_a_missing_event_file_is_one_sentence(home, capsys):
    assert run(["invoke", "plain", "nowhere.json", "--template", TEMPLATE]) == 2
    assert capsys.readouterr().err == "Error: nowhere.json: no such file\n"


def test_a_missing_template_is_one_sentence(home, capsys, tmp_path):
    event = tmp_path / "event.json"
    event.write_text("{}")

    assert run(["invoke", "plain", str(event), "--template", "nowhere.yaml"]) == 2
    assert capsys.readouterr().err == "Error: nowhere.yaml: cannot be read (No such file or directory)\n"


def test_an_engine_that_cannot_be_reached_is_one_sentence_and_leaves_nothing(invoke, home, monkeypatch):
    monkeypatch.setenv("TAILRACE_OPENSEARCH_URL", "http://127.0.0.1:9")
    status, out, err = invoke("plain", "{}")

    assert (status, out) == (2, "")
    assert err.startswith("Error: OpenSearch at http://127.0.0.1:9 cannot be reached")
    assert list((home / "run").glob("cloud-*/")) == []
