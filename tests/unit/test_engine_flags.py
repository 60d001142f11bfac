"""What a server is started with, and what is told to a person where that fails."""

import json
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tailrace.errors import UserError
from tailrace_local.class_archives import ClassArchives, prepare_archives
from tailrace_local.engine import Engine, choose_engine
from tailrace_local.engine_flags import (
    EngineSpec,
    InstanceLayout,
    build_java_arguments,
    build_settings,
    choose_spec,
)
from tailrace_local.engine_security import Security
from tailrace_local.external_engine import ExternalEngine
from tailrace_local.instances import InstanceDirectory
from tailrace_local.java import Java
from tailrace_local.listeners import parse_lsof_address, parse_proc_address
from tailrace_local.loopback_ports import free_ports, is_port_taken, some_ports
from tailrace_local.privileges import NAMESPACE, NOBODY, Privileges, choose_privileges
from tailrace_local.server_logs import last_meaningful_line

LAYOUT = InstanceLayout(Path("/instance"))
SERVER = Path("/server")
NEW_ARCHIVE = Path("/instance/tmp/classes.jsa")
BIND_FAILURE = """\
[2026-11-21T13:25:00,000][ERROR][o.o.b.OpenSearchUncaughtExceptionHandler] uncaught exception in thread [main]
org.opensearch.bootstrap.StartupException: BindHttpException[Failed to bind to 127.0.0.1:[19201]]
\tat org.opensearch.bootstrap.OpenSearch.init(OpenSearch.java:184)
Likely root cause: java.net.BindException: Address already in use
\tat java.base/sun.nio.ch.Net.bind0(Native Method)
\t... 8 more
For complete error details, refer to the log at /instance/logs/tailrace.log
"""
HEAP_FAILURE = """\
Invalid maximum heap size: -Xmx12q
Error: Could not create the Java Virtual Machine.
Error: A fatal exception has occurred. Program will exit.
"""


def settings(spec=None, http_ports=range(20100, 20200)):
    lines = build_settings(spec or EngineSpec(), LAYOUT, http_ports, range(20300, 20400)).splitlines()
    return {json.loads(name): json.loads(value) for name, value in (line.split(": ", 1) for line in lines)}


def java_arguments(spec=None):
    return build_java_arguments(spec or EngineSpec(), SERVER, LAYOUT)


class Probes:
    """Answers each probe by the user id that it is made for, and by its command."""

    def __init__(self, *, as_nobody, namespaces):
        self.as_nobody = as_nobody
        self.namespaces = namespaces

    def __call__(self, arguments, user):
        return self.as_nobody if user == NOBODY else self.namespaces


@pytest.fixture
def java(tmp_path):
    """A Java without an archive of its own classes, whose every run writes the file that it is asked for."""
    executable = tmp_path / "java-home" / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text('#!/bin/sh\nfor word; do touch "${word#-XX:SharedArchiveFile=}"; done\n')
    executable.chmod(0o755)
    return Java(executable, "25.0.2")


@pytest.fixture
def server(tmp_path):
    """The folder of an unpacked server."""
    (tmp_path / "server" / "lib").mkdir(parents=True)
    return tmp_path / "server"


@pytest.fixture
def answering_server():
    """A server on loopback that answers with the status in the path; it knows one user, `me` with `secret`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            is_known = self.headers.get("Authorization") in (None, "Basic bWU6c2VjcmV0")
            self.send_response(int(self.path.strip("/")) if is_known else 401)
            self.end_headers()

        def log_message(self, *_):
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_server_is_single_on_loopback_and_creates_no_index_by_itself():
    assert settings() == {
        "cluster.name": "tailrace",
        "node.name": "tailrace",
        "action.auto_create_index": "false",
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "transport.port": "20300-20399",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": "20100-20199",
        "node.portsfile": True,
        "path.data": "/instance/data",
        "path.logs": "/instance/logs",
    }


def test_a_fixed_port_is_the_only_one():
    assert settings(http_ports=range(19250, 19251))["http.port"] == "19250-19250"


def test_the_caller_adds_settings_but_never_a_network():
    added = settings(EngineSpec(settings={"http.max_content_length": "1mb", "network.host": "0.0.0.0"}))

    assert added["http.max_content_length"] == "1mb"
    assert added["network.host"] == "127.0.0.1"


def test_the_heap_is_the_specs():
    assert "-Xmx256m" in java_arguments(EngineSpec(heap="256m"))


def test_the_server_starts_fast_and_directly():
    arguments = java_arguments()

    assert {"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"} < set(arguments)
    assert "-Xbootclasspath/a:/server/agent/opensearch-agent-bootstrap-3.7.0.jar" in arguments
    assert arguments[-3:] == ["-cp", "/server/lib/*", "org.opensearch.bootstrap.OpenSearch"]


def test_opensearch_2_runs_under_the_security_manager_and_without_an_agent():
    arguments = java_arguments(EngineSpec(version="2.19.4"))

    assert "-Djava.security.manager=allow" in arguments
    assert "-Djava.locale.providers=SPI,COMPAT" in arguments
    assert not [word for word in arguments if word.startswith(("-Xbootclasspath", "--enable-native-access"))]


def test_the_variable_chooses_the_version_and_the_default_is_the_newest():
    assert choose_spec({"TAILRACE_ENGINE": "2.19.4"}) == EngineSpec(version="2.19.4")
    assert choose_spec({"TAILRACE_ENGINE": ""}) == choose_spec({}) == EngineSpec(version="3.7.0")
    assert Engine(environ={"TAILRACE_ENGINE": "2.19.4"}).spec.version == "2.19.4"


def test_a_secured_server_says_so_in_its_settings_and_shows_no_password():
    spec = EngineSpec(version="2.19.4", security=Security(password="hidden"))

    assert settings(spec)["plugins.security.ssl.transport.keystore_filepath"] == "node.p12"
    assert settings(spec)["plugins.security.ssl.http.enabled"] is False
    assert "hidden" not in repr(spec)


def test_every_file_of_a_server_is_below_its_own_folder():
    written = [word.partition("=")[2] for word in java_arguments() if "tmpdir" in word or "path.conf" in word]

    assert written == ["/instance/config", "/instance/tmp", "/instance/tmp"]


def test_without_an_archive_the_server_writes_one_when_it_stops(tmp_path):
    archives = ClassArchives(Path("/cache/java.jsa"), tmp_path / "absent.jsa")

    assert archives.arguments(NEW_ARCHIVE) == [
        "-XX:SharedArchiveFile=/cache/java.jsa",
        "-XX:ArchiveClassesAtExit=/instance/tmp/classes.jsa",
    ]


def test_a_cached_archive_is_read_together_with_its_base(tmp_path):
    application = tmp_path / "server.jsa"
    application.touch()

    assert ClassArchives(None, application).arguments(NEW_ARCHIVE) == [f"-XX:SharedArchiveFile={application}"]
    assert ClassArchives(Path("/cache/java.jsa"), application).arguments(NEW_ARCHIVE) == [
        f"-XX:SharedArchiveFile=/cache/java.jsa:{application}"
    ]


def test_an_archive_comes_into_the_cache_whole_and_alone(tmp_path, java, server):
    archives = prepare_archives(tmp_path / "cache", java, server)
    written = tmp_path / "classes.jsa"
    written.write_text("classes")

    archives.keep(written)

    assert archives.application.read_text() == "classes"
    assert not written.exists()
    assert sorted(tmp_path.glob("cache/.*")) == []


def test_a_java_without_an_archive_of_its_own_gets_one(tmp_path, java, server):
    archives = prepare_archives(tmp_path / "cache", java, server)

    assert archives.base is not None
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".jsa", ".lock"]


def test_another_server_has_another_archive(tmp_path, java, server):
    other = tmp_path / "other"
    (other / "lib").mkdir(parents=True)

    first = prepare_archives(tmp_path / "cache", java, server)
    second = prepare_archives(tmp_path / "cache", java, other)

    assert first.base == second.base
    assert first.application != second.application


@pytest.mark.parametrize(
    ("user", "probes", "expected"),
    [
        (1000, Probes(as_nobody=False, namespaces=False), Privileges()),
        (0, Probes(as_nobody=True, namespaces=True), Privileges(user=NOBODY)),
        (0, Probes(as_nobody=False, namespaces=True), Privileges(prefix=NAMESPACE)),
        (
            0,
            Probes(as_nobody=False, namespaces=False),
            Privileges(flags=("-Djna.nounpack=true", "-Djna.noclasspath=true")),
        ),
    ],
    ids=["not root", "root", "root in a private folder", "root without namespaces"],
)
def test_root_becomes_nobody_as_far_as_the_machine_allows(user, probes, expected, monkeypatch):
    monkeypatch.setattr("tailrace_local.privileges.shutil.which", lambda name: f"/usr/bin/{name}")

    assert choose_privileges(Path("/java"), [SERVER], user=user, probe=probes) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BIND_FAILURE, "java.net.BindException: Address already in use"),
        (HEAP_FAILURE, "Invalid maximum heap size: -Xmx12q"),
        ("starting\nready\n", "ready"),
        ("x" * 1000, "x" * 300),
        ("", "its log is empty"),
    ],
    ids=["port", "heap", "no cause", "long", "empty"],
)
def test_of_a_log_the_line_that_says_why_is_told(tmp_path, text, line):
    (tmp_path / "server.log").write_text(text)

    assert last_meaningful_line(tmp_path / "server.log") == line


def test_a_log_that_is_not_there_is_told_as_empty(tmp_path):
    assert last_meaningful_line(tmp_path / "server.log") == "its log is empty"


def test_servers_look_for_a_port_from_different_starts():
    assert some_ports(lambda low, high: low) == range(20_000, 20_100)
    assert some_ports(lambda low, high: high - 1) == range(31_999, 32_099)


def test_a_taken_port_is_not_free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert is_port_taken(port)
        assert list(free_ports([port])) == []

    assert list(free_ports([port])) == [port]


def test_a_given_url_means_somebody_elses_engine():
    chosen = choose_engine(environ={"TAILRACE_OPENSEARCH_URL": "http://127.0.0.1:9/"})

    assert isinstance(chosen, ExternalEngine)
    assert chosen.url == "http://127.0.0.1:9"


def test_without_a_url_the_engine_is_our_own():
    assert isinstance(choose_engine(environ={}), Engine)


def test_an_engine_elsewhere_is_asked_whether_it_answers(answering_server):
    with ExternalEngine(f"{answering_server}/200") as engine:
        assert engine.url == f"{answering_server}/200"


def test_an_engine_elsewhere_may_ask_for_a_name_and_a_password(answering_server):
    ExternalEngine(f"{answering_server.replace('//', '//me:secret@')}/200").start()

    with pytest.raises(UserError, match="answers with status 401"):
        ExternalEngine(f"{answering_server.replace('//', '//me:wrong@')}/200").start()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://me:secret@127.0.0.1:9", r"http://127\.0\.0\.1:9 cannot be reached \(.*refused.*\): correct TAILRACE_"),
        ("localhost:9200", r"localhost:9200 cannot be reached \(it is no http:// or https:// URL\): correct TAILRACE_"),
    ],
)
def test_an_unreachable_engine_is_one_sentence_without_secrets(url, reason):
    with pytest.raises(UserError, match=reason) as caught:
        ExternalEngine(url).start()

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 404, 503])
def test_an_engine_that_answers_with_an_error_is_refused(answering_server, status):
    with pytest.raises(UserError, match=f"answers with status {status}: correct TAILRACE_OPENSEARCH_URL"):
        ExternalEngine(f"{answering_server}/{status}").start()


def test_an_engine_that_never_started_has_no_address():
    with pytest.raises(UserError, match="not started yet"):
        _ = Engine().url


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F:1F90", "127.0.0.1"),
        ("00000000:1F90", "0.0.0.0"),
        ("00000000000000000000000001000000:1F90", "::1"),
        ("0000000000000000FFFF00000100007F:1F90", "127.0.0.1"),
        ("00000000000000000000000000000000:1F90", "::"),
    ],
)
@pytest.mark.skipif(sys.byteorder == "big", reason="written as a little-endian machine writes them")
def test_addresses_are_read_as_linux_writes_them(text, address):
    assert parse_proc_address(text) == address


@pytest.mark.parametrize(
    ("text", "address"), [("n127.0.0.1:8080", "127.0.0.1"), ("n[::1]:8080", "::1"), ("n*:8080", "0.0.0.0")]
)
def test_addresses_are_read_as_lsof_writes_them(text, address):
    assert parse_lsof_address(text) == address


def test_an_instance_folder_is_swept_once_nobody_holds_it(tmp_path):
    script = (
        "import os, sys, pathlib; from tailrace_local.instances import InstanceDirectory;"
        "InstanceDirectory('server', pathlib.Path(sys.argv[1])); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    (leftover,) = tmp_path.glob("server-*")

    held = InstanceDirectory("server", tmp_path)
    other = InstanceDirectory("server", tmp_path)

    assert not leftover.exists()
    assert held.path.exists()
    assert other.path.exists()
    held.remove()
    other.remove()
    assert list(tmp_path.glob("server-*")) == []
