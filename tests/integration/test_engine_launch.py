"""The real server: started, restarted, killed, orphaned; and every way in which it cannot start."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from tailrace.errors import UserError
from tailrace_local.engine import Engine
from tailrace_local.engine_flags import EngineSpec, choose_spec
from tailrace_local.http_probes import wait_until
from tailrace_local.listeners import listening_addresses

pytestmark = pytest.mark.slow

SMALL = replace(choose_spec(os.environ), heap="256m")
SOON = 20.0
CLOSED = "http://127.0.0.1:9"
STARTER = """
import time
from tailrace_local.engine import Engine
engine = Engine()
engine.start()
print(engine.pid, engine.url, engine.layout.root, flush=True)
time.sleep(600)
"""


def is_gone(pid):
    return not Path(f"/proc/{pid}").exists() and subprocess.run(["ps", "-p", str(pid)], capture_output=True).returncode


def refuses_connections(url):
    try:
        requests.get(url, timeout=5)
    except requests.ConnectionError:
        return True
    return False


def put_document(engine, word):
    settings = {"settings": {"number_of_replicas": 0}}
    requests.put(f"{engine.url}/words", json=settings, timeout=30).raise_for_status()
    requests.put(f"{engine.url}/words/_doc/1", json={"word": word}, timeout=30).raise_for_status()


def get_word(engine):
    return requests.get(f"{engine.url}/words/_doc/1", timeout=30).json()["_source"]["word"]


@pytest.fixture(scope="module")
def engine():
    """One server that lives as long as this module's tests."""
    with Engine(SMALL) as running:
        yield running


@pytest.fixture
def starter():
    """A process of its own that has started a server and would wait for long."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True, env=environment)
    with process:
        yield process
        process.kill()


def test_the_server_is_the_pinned_version_and_listens_on_loopback_only(engine):
    assert requests.get(engine.url, timeout=10).json()["version"]["number"] == SMALL.version
    assert engine.url.startswith("http://127.0.0.1:")
    assert listening_addresses(engine.pid) == {"127.0.0.1"}


def test_no_index_is_created_by_writing_to_it(engine):
    answer = requests.put(f"{engine.url}/never-created/_doc/1", json={"a": 1}, timeout=30)

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "index_not_found_exception"


def test_a_killed_server_finds_its_data_again_at_the_same_url(engine):
    put_document(engine, "kept")
    url, pid = engine.url, engine.pid

    engine.kill()
    assert refuses_connections(url)
    engine.start()

    assert engine.url == url
    assert engine.pid != pid
    assert get_word(engine) == "kept"


def test_a_restarted_server_finds_its_data_again_at_the_same_url(engine):
    put_document_again = {"word": "kept twice"}
    requests.put(f"{engine.url}/words/_doc/1", json=put_document_again, timeout=30).raise_for_status()
    url = engine.url

    engine.restart()

    assert engine.url == url
    assert get_word(engine) == "kept twice"


def test_starting_what_runs_changes_nothing(engine):
    pid = engine.pid

    engine.start()

    assert engine.pid == pid


def test_a_fixed_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(UserError, match=f"^port {port} on 127.0.0.1 is taken: stop what listens there, or choose"):
            Engine(EngineSpec(port=port)).start()


def test_two_servers_take_two_ports(engine):
    with Engine(SMALL) as other:
        assert other.url != engine.url


def test_a_stopped_server_leaves_no_process_no_listener_and_no_folder():
    engine = Engine(SMALL)
    engine.start()
    pid, url, folder = engine.pid, engine.url, engine.layout.root

    engine.close()

    assert is_gone(pid)
    assert refuses_connections(url)
    assert not folder.exists()


def test_the_data_of_a_folder_given_by_the_caller_outlives_the_server(tmp_path):
    tmp_path.chmod(0o755)
    with Engine(SMALL, directory=tmp_path / "engine") as first:
        put_document(first, "kept on disk")

    with Engine(SMALL, directory=tmp_path / "engine") as second:
        assert get_word(second) == "kept on disk"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_server_ends_with_its_starter_however_that_ends(starter, number):
    pid, url, _ = starter.stdout.readline().split()

    starter.send_signal(number)

    assert wait_until(lambda: is_gone(pid), SOON)
    assert refuses_connections(url)


def test_the_folder_of_an_orphaned_server_is_removed_by_the_next_start(starter):
    pid, _, folder = starter.stdout.readline().split()
    starter.send_signal(signal.SIGKILL)
    assert wait_until(lambda: is_gone(pid), SOON)

    with Engine(SMALL):
        assert not Path(folder).exists()


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (replace(SMALL, heap="12q"), r"^OpenSearch [\d.]+ did not start: Invalid maximum heap size: -Xmx12q$"),
        (replace(SMALL, settings={"no.such.setting": 1}), r"did not start: .*unknown setting \[no\.such\.setting\]"),
        (
            replace(SMALL, settings={"http.host": "0.0.0.0"}),
            r"^OpenSearch listens on (::|0\.0\.0\.0), which is not loopback",
        ),
    ],
    ids=["heap", "setting", "network"],
)
def test_a_server_that_cannot_start_says_why_and_leaves_nothing(spec, reason):
    engine = Engine(spec)

    with pytest.raises(UserError, match=reason), engine:
        pytest.fail("it started")

    assert is_gone(engine.pid)
    with pytest.raises(UserError, match="has no folder"):
        _ = engine.layout


def test_without_a_repository_and_with_nothing_cached_the_server_cannot_be_had(tmp_path):
    java = {"JAVA_HOME": str(_java_home())}
    environ = {"TAILRACE_HOME": str(tmp_path), "TAILRACE_MAVEN_URL": f"{CLOSED}/maven2", **java}

    with pytest.raises(UserError, match=rf"^cannot fetch .*:opensearch:3\.7\.0:zip from {CLOSED}: check the network"):
        Engine(EngineSpec(), environ=environ).start()


def test_without_a_registry_and_with_nothing_cached_java_cannot_be_had(tmp_path):
    environ = {
        "TAILRACE_HOME": str(tmp_path),
        "PATH": "/no/such/folder",
        "PIP_INDEX_URL": f"{CLOSED}/simple",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }

    with pytest.raises(UserError, match=rf"^cannot fetch the packages of jdk\.txt from {CLOSED}: it cannot be reached"):
        Engine(environ=environ).start()


def _java_home():
    from tailrace_local.java import find_java

    return find_java().executable.resolve().parents[1]
