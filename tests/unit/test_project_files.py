"""The files around the code: a clone becomes a working checkout, from pinned packages, or says what is missing."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYER_PINS = ROOT / "layers" / "tailrace" / "requirements.txt"
PINS = [*sorted((ROOT / "requirements").glob("*.txt")), LAYER_PINS]
each_pin_file = pytest.mark.parametrize("path", PINS, ids=[path.name for path in PINS[:-1]] + ["layer"])


def requirements(path):
    """`name==version` to the text of the whole entry, hashes included."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return {entry.split()[0]: entry for entry in entries}


def run(*arguments, directory=ROOT, **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment = {**kept, **variables}
    return subprocess.run(arguments, cwd=directory, env=environment, capture_output=True, text=True, timeout=60)


def interpreter(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def write_wheel(path):
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("six-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: six\nVersion: 1.0\n")
        wheel.writestr("six-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("six-1.0.dist-info/RECORD", "")


def wait_for(path):
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


@pytest.fixture
def checkout(tmp_path):
    """The files that `make setup` reads."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


@pytest.fixture
def finished(checkout):
    """A checkout whose environment is made: the stamps stand where `make` would put them."""
    (checkout / ".venv" / "bin").mkdir(parents=True)
    for made in [".venv/bin/python", *re.findall(r"touch (\S+)", plan(checkout))]:
        (checkout / made).touch()
    return checkout


def plan(directory):
    """The commands that `make setup` would run."""
    return run("make", "--dry-run", "setup", directory=directory).stdout


@each_pin_file
def test_every_requirement_is_pinned_and_hashed(path):
    for name, entry in requirements(path).items():
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[^=\s]+", name)
        assert "--hash=sha256:" in entry


@each_pin_file
def test_a_requirement_file_names_no_host_and_no_place_on_a_disk(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"://|--index-url|--find-links|(^|\s)/", text)


def test_the_layer_leaves_the_sdk_to_the_runtime():
    names = {name.split("==")[0] for name in requirements(LAYER_PINS)}
    assert not names & {"boto3", "botocore", "s3transfer"}


def test_the_layer_fits_every_platform_with_one_list():
    # pip reads markers for the machine it runs on, not for the one it installs for.
    assert not [name for name, entry in requirements(LAYER_PINS).items() if ";" in entry]


def test_tests_run_on_the_packages_that_are_deployed():
    assert requirements(LAYER_PINS).keys() <= requirements(ROOT / "requirements" / "dev.txt").keys()


def test_what_the_project_asks_for_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {name.split("==")[0] for name in requirements(ROOT / "requirements" / "dev.txt")}
    assert set(project["dependencies"]) <= names


def test_make_alone_prints_every_verb():
    verbs = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    printed = re.findall(r"^make ([\w-]+) +\S", run("make").stdout, re.MULTILINE)
    assert sorted(printed) == sorted(verbs)


def test_the_makefile_stays_a_list_of_verbs():
    assert len((ROOT / "Makefile").read_text(encoding="utf-8").splitlines()) <= 60


def test_ci_runs_the_tests_that_people_run():
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == "exec make test"


def test_a_finished_environment_is_left_alone(finished):
    assert "make_environment.sh" not in plan(finished)


def test_a_half_made_environment_does_not_count(checkout):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    assert "make_environment.sh" in plan(checkout)


def test_an_environment_is_made_again_when_a_pin_changes(finished):
    with (finished / "requirements" / "dev.txt").open("a") as pins:
        pins.write("# changed\n")
    assert "make_environment.sh" in plan(finished)


def test_an_environment_is_made_again_when_its_interpreter_is_gone(finished):
    (finished / ".venv" / "bin" / "python").unlink()
    (finished / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.11")
    assert "make_environment.sh" in plan(finished)


def test_an_environment_is_made_again_when_the_checkout_has_moved(finished, tmp_path_factory):
    moved = tmp_path_factory.mktemp("moved") / "checkout"
    finished.rename(moved)
    assert "make_environment.sh" in plan(moved)


def test_a_change_of_the_project_file_installs_the_project_alone(finished):
    with (finished / "pyproject.toml").open("a") as project:
        project.write("# changed\n")
    assert "--editable" in plan(finished)
    assert "make_environment.sh" not in plan(finished)


def test_a_missing_interpreter_is_one_sentence(checkout):
    result = run("make", "setup", "PYTHON=/nowhere/python3", directory=checkout)
    expected = (
        "Error: /nowhere/python3 is not on this machine; install Python 3.11 or newer, or name another: "
        "make PYTHON=/path/to/python3"
    )
    assert result.stderr.splitlines()[0] == expected
    assert result.returncode == 2


def test_an_interpreter_that_is_too_old_is_one_sentence(checkout):
    old = interpreter(checkout / "python3", '[ "$1" = --version ] && echo "Python 3.10.13"; exit 1')
    result = run("make", "setup", f"PYTHON={old}", directory=checkout)
    expected = (
        f"Error: {old} is Python 3.10.13, but Tailrace needs Python 3.11 or newer; name another: "
        "make PYTHON=/path/to/python3"
    )
    assert result.stderr.splitlines()[0] == expected
    assert not (checkout / ".venv").exists()


def test_an_interpreter_without_venv_is_one_sentence(checkout):
    bare = interpreter(checkout / "python3", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    result = run("make", "setup", f"PYTHON={bare}", directory=checkout)
    expected = (
        f"Error: {bare} lacks the venv module; install it (Debian and Ubuntu: apt install python3-venv), "
        "or name another: make PYTHON=/path/to/python3"
    )
    assert result.stderr.splitlines()[0] == expected
    assert not (checkout / ".venv").exists()


def test_an_index_that_cannot_be_reached_is_one_sentence_and_leaves_nothing(checkout):
    nowhere = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INDEX": "0",
        "PIP_FIND_LINKS": "",
    }
    result = run("make", "setup", f"PYTHON={sys.executable}", directory=checkout, **nowhere)
    expected = "Error: the package index cannot be reached and nothing is cached; check the network or PIP_INDEX_URL"
    assert result.stderr.splitlines()[0] == expected
    assert not (checkout / ".venv").exists()


def test_a_package_that_is_not_the_pinned_one_is_one_sentence_and_leaves_nothing(checkout, tmp_path_factory):
    (checkout / "requirements" / "dev.txt").write_text(f"six==1.0 --hash=sha256:{'0' * 64}\n")
    wheels = tmp_path_factory.mktemp("wheels")
    write_wheel(wheels / "six-1.0-py3-none-any.whl")
    local = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    result = run("make", "setup", f"PYTHON={sys.executable}", directory=checkout, **local)
    expected = "Error: a package does not match its hash in requirements/dev.txt; try again, or check the package index"
    assert result.stderr.splitlines()[0] == expected
    assert not (checkout / ".venv").exists()


def test_ctrl_c_leaves_no_half_made_environment(checkout):
    slow = interpreter(checkout / "python3", 'case "$*" in *--clear*) mkdir .venv; exec sleep 30 ;; esac')
    make = subprocess.Popen(["make", "setup", f"PYTHON={slow}"], cwd=checkout, start_new_session=True)
    wait_for(checkout / ".venv")
    os.killpg(make.pid, signal.SIGINT)
    assert make.wait(timeout=10) != 0
    assert not (checkout / ".venv").exists()


def test_the_sam_settings_hold_no_secret():
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    assert settings["version"] == 0.1
    assert settings["default"]["deploy"]["parameters"] == {
        "capabilities": "CAPABILITY_IAM",
        "confirm_changeset": True,
        "resolve_s3": True,
    }


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License\n                           Version 2.0, January 2004" in text
