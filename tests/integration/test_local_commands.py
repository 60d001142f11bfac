"""`tailrace local` and `tailrace invoke` on a cloud in the background: up, used, down, killed, interrupted."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
from cloud_builders import link_home, polite_engine
from function_builders import FIXTURES

from tailrace_cli.main import run

pytestmark = pytest.mark.slow

TEMPLATE = str(FIXTURES / "template.yaml")
TABLES = """
tables:
  orders: {key: [id]}
  PaidOnly: {key: [number], fields: {number: {type: number}}}
  other: {}
"""
COMMAND = "import sys; from tailrace_cli.entry import main; sys.argv[0] = 'tailrace'; main()"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A TAILRACE_HOME and an engine for every command of this module; whatever is up is taken down at the end."""
    folder = link_home(tmp_path_factory.mktemp("home"))
    (folder / "tables.yaml").write_text(TABLES)
    with polite_engine() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAILRACE_HOME", str(folder))
        patch.setenv("TAILRACE_OPENSEARCH_URL", url)
        yield folder
        run(["local", "down"])


@pytest.fixture
def tailrace(home, capsys):
    """Runs a command in this process: its exit status, standard output, standard error."""

    def call(*arguments):
        capsys.readouterr()
        status = run(arguments)
        return (status, *capsys.readouterr())

    return call


@pytest.fixture
def up(tailrace, home):
    """Brings the cloud up, if it is not."""
    return lambda: tailrace("local", "up", "--template", TEMPLATE, "--tables", str(home / "tables.yaml"))


def test_down_with_nothing_up_says_so(tailrace):
    assert tailrace("local", "down") == (0, "The laptop cloud is not up.\n", "")


def test_status_with_nothing_up_exits_with_1(tailrace):
    assert tailrace("local", "status") == (1, "The laptop cloud is not up.\n", "")
    assert tailrace("local", "status", "--json")[:2] == (1, '{\n  "up": false\n}\n')


def test_up_brings_up_what_the_template_declares_and_prints_the_endpoints(tailrace, up):
    status, out, _ = up()

    assert status == 0
    assert out.startswith("The laptop cloud is up.\n")
    state = json.loads(tailrace("local", "status", "--json")[1])
    assert state["endpoints"]["aws"] in out
    assert [mapping["name"] for mapping in state["mappings"]] == ["StreamFunctionOrders", "StreamFunctionPaidOnly"]
    assert state["ignored"] == ["Topic (AWS::SNS::Topic)"]


def test_tables_with_a_declared_key_are_made(tailrace, up):
    up()
    endpoint = json.loads(tailrace("local", "status", "--json")[1])["endpoints"]["aws"]
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )

    assert sorted(dynamodb.list_tables()["TableNames"]) == ["PaidOnly", "orders"]
    described = dynamodb.describe_table(TableName="PaidOnly")["Table"]
    assert described["AttributeDefinitions"] == [{"AttributeName": "number", "AttributeType": "N"}]


def test_a_second_up_says_that_it_is_up(tailrace, up):
    up()
    before = json.loads(tailrace("local", "status", "--json")[1])["pid"]
    status, out, _ = up()

    assert (status, out.splitlines()[0]) == (0, "The laptop cloud is up already.")
    assert json.loads(tailrace("local", "status", "--json")[1])["pid"] == before


def test_status_is_a_table_for_people(tailrace, up):
    up()
    status, out, _ = tailrace("local", "status")

    assert status == 0
    assert "StreamFunctionOrders" in out
    assert re.search(r"ready +yes\n", out)
    assert "lag s  last applied" in out
    assert "iterator" not in out


def test_invoke_uses_the_cloud_that_is_up(tailrace, up, tmp_path):
    up()
    event = tmp_path / "event.json"
    event.write_text('{"do": "describe"}')
    processes = [
        json.loads(tailrace("invoke", "plain", str(event), "--template", TEMPLATE)[1])["process"] for _ in range(2)
    ]

    assert processes[0] == processes[1]


def test_invoke_of_an_unknown_function_is_one_sentence(tailrace, up, tmp_path):
    up()
    event = tmp_path / "event.json"
    event.write_text("{}")

    assert tailrace("invoke", "nobody", str(event), "--template", TEMPLATE) == (
        2,
        "",
        "Error: there is no function nobody: the template declares StreamFunction, PlainFunction\n",
    )


def test_what_a_kill_leaves_behind_is_recognised_and_a_new_up_works(tailrace, up):
    up()
    state = json.loads(tailrace("local", "status", "--json")[1])
    os.kill(state["pid"], signal.SIGKILL)
    _wait_until(lambda: not _is_alive(state["pid"]))

    assert tailrace("local", "status")[0] == 1
    assert up()[1].startswith("The laptop cloud is up.\n")


def test_down_stops_it_and_leaves_nothing(tailrace, up):
    up()
    supervisor = json.loads(tailrace("local", "status", "--json")[1])["pid"]
    children = _children(supervisor)
    assert tailrace("local", "down")[:2] == (0, "The laptop cloud is down.\n")

    assert children
    assert [pid for pid in (supervisor, *children) if _is_alive(pid)] == []
    assert tailrace("local", "down", "--json")[:2] == (0, '{\n  "stopped": false\n}\n')


def test_a_wrong_template_is_one_sentence_and_nothing_is_up(tailrace, home, tmp_path):
    broken = tmp_path / "template.yaml"
    broken.write_text(Path(TEMPLATE).read_text().replace("BatchSize: 10", "BatchSize: 0"))
    status, out, err = tailrace("local", "up", "--template", str(broken), "--tables", str(home / "tables.yaml"))

    assert (status, out) == (2, "")
    assert err == (
        "Error: template.yaml: StreamFunction.Events.Orders.BatchSize: 0 is not a whole number from 1 to 10,000\n"
    )
    assert tailrace("local", "status")[0] == 1


def test_a_missing_tables_file_is_one_sentence(tailrace, tmp_path):
    missing = str(tmp_path / "tables.yaml")

    assert tailrace("local", "up", "--template", TEMPLATE, "--tables", missing) == (
        2,
        "",
        f"Error: {missing}: no such file\n",
    )


def test_built_without_a_build_says_what_to_do(tailrace, home):
    status, _, err = tailrace("local", "up", "--built", "--template", TEMPLATE, "--tables", str(home / "tables.yaml"))

    assert status == 2
    assert err.endswith("run `make build` first\n")


def test_ctrl_c_while_it_comes_up_leaves_nothing(home):
    arguments = ["local", "up", "--template", TEMPLATE, "--tables", str(home / "tables.yaml")]
    starter = subprocess.Popen([sys.executable, "-c", COMMAND, *arguments], stderr=subprocess.PIPE, text=True)
    with starter:
        supervisor = _supervisor_of(home)
        starter.send_signal(signal.SIGINT)
        error = starter.stderr.read()

    assert (starter.returncode, error.strip()) == (130, "Interrupted.")
    assert not _is_alive(supervisor)
    assert run(["local", "status"]) == 1


def _supervisor_of(home):
    # It has a folder for its cloud as soon as it has begun to start something. What it forks looks like it until exec,
    # so the oldest counts.
    _wait_until(lambda: list((home / "run").glob("cloud-*/")))
    listed = subprocess.run(
        ["pgrep", "-o", "-f", f"tailrace_local.supervisor.*{home}"], capture_output=True, check=True
    )
    return int(listed.stdout)


def _wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def _children(pid):
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split() if _is_alive(int(word))]


def _is_alive(pid):
    # A zombie has ended; only nobody has asked for its status yet.
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip() not in ("", "Z", "Zs", "Z+")
