"""The emulated cloud: on loopback only, in memory only, gone with its starter."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from tailrace.errors import UserError
from tailrace_local.emulator import Emulator, EmulatorStartError
from tailrace_local.http_probes import wait_until
from tailrace_local.listeners import listening_addresses
from tailrace_local.loopback_ports import is_port_taken

pytestmark = pytest.mark.slow

SOON = 20.0
STARTER = """
import time
from tailrace_local.emulator import Emulator
emulator = Emulator()
emulator.start()
print(emulator.pid, emulator.directory, flush=True)
time.sleep(600)
"""


def is_gone(pid):
    return subprocess.run(["ps", "-p", str(pid)], capture_output=True, check=False).returncode != 0


def port_of(emulator):
    return int(emulator.url.rpartition(":")[2])


@pytest.fixture
def emulator():
    with Emulator() as running:
        yield running


@pytest.fixture
def client(emulator):
    """A maker of clients of the emulator, closed afterwards."""
    made = []

    def make(service, **options):
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        made.append(boto3.client(service, endpoint_url=emulator.url, region_name="us-east-1", **keys, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def starter():
    """A process of its own that has started an emulator and would wait for long."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True, env=environment)
    with process:
        yield process
        process.kill()


def test_it_listens_on_loopback_only(emulator):
    assert emulator.url.startswith("http://127.0.0.1:")
    assert listening_addresses(emulator.pid) == {"127.0.0.1"}


def test_its_account_is_all_zeros_and_its_region_us_east_1(client):
    client("dynamodb").create_table(
        TableName="words",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    table = client("dynamodb").describe_table(TableName="words")["Table"]

    assert table["TableArn"] == "arn:aws:dynamodb:us-east-1:000000000000:table/words"


def test_what_it_is_given_stays_in_its_own_folder_and_memory(emulator, client):
    client("s3").create_bucket(Bucket="bucket")
    client("s3").put_object(Bucket="bucket", Key="key", Body=b"value")

    written = [path.name for path in (emulator.directory / "scratch").rglob("*") if path.is_file()]

    assert written == [f"ministack-{port_of(emulator)}.pid"]


def test_none_of_the_callers_variables_reaches_it(monkeypatch):
    monkeypatch.setenv("BIND_HOST", "0.0.0.0")
    monkeypatch.setenv("PERSIST_STATE", "1")
    monkeypatch.setenv("USE_SSL", "1")

    with Emulator() as emulator:
        assert listening_addresses(emulator.pid) == {"127.0.0.1"}


def test_two_emulators_take_two_ports(emulator):
    with Emulator() as other:
        assert other.url != emulator.url


def test_a_fixed_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(UserError, match=f"^port {port} on 127.0.0.1 is taken: stop what listens there, or choose"):
            Emulator(port=port).start()


def test_a_killed_emulator_starts_again_at_the_same_url(emulator):
    url = emulator.url

    emulator.kill()
    emulator.start()

    assert emulator.url == url


def test_a_closed_emulator_leaves_no_process_no_listener_and_no_folder():
    emulator = Emulator()
    emulator.start()
    pid, port, folder = emulator.pid, port_of(emulator), emulator.directory

    emulator.close()

    assert is_gone(pid)
    assert not is_port_taken(port)
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_its_starter_however_that_ends(starter, number):
    pid, folder = starter.stdout.readline().split()

    starter.send_signal(number)

    assert wait_until(lambda: is_gone(pid), SOON)
    with Emulator():
        assert not Path(folder).exists()


def test_an_emulator_that_does_not_come_up_says_why_and_leaves_nothing(monkeypatch):
    monkeypatch.setattr("tailrace_local.emulator.build_environment", lambda *_, **__: {"GATEWAY_PORT": "no number"})
    emulator = Emulator()

    with pytest.raises(EmulatorStartError, match=r"^the emulator did not start: ValueError: invalid literal"), emulator:
        pytest.fail("it started")

    assert is_gone(emulator.pid)


def test_an_emulator_that_listens_on_more_than_loopback_is_stopped(monkeypatch, tmp_path):
    def build_open_environment(scratch, port, **_):
        return {"GATEWAY_PORT": str(port), "BIND_HOST": "0.0.0.0", "IOT_MTLS_ENABLED": "0", "TMPDIR": str(scratch)}

    monkeypatch.setattr("tailrace_local.emulator.build_environment", build_open_environment)
    emulator = Emulator(directory=tmp_path)

    with pytest.raises(UserError, match=r"^the emulator listens on 0\.0\.0\.0, which is not loopback; it was stopped$"):
        emulator.start()

    assert is_gone(emulator.pid)


def test_without_a_registry_and_with_nothing_cached_it_cannot_be_had(tmp_path):
    environ = {
        "TAILRACE_HOME": str(tmp_path),
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }

    with pytest.raises(UserError, match=r"^cannot fetch the packages of ministack\.txt from http://127\.0\.0\.1:9: it"):
        Emulator(environ=environ).start()
