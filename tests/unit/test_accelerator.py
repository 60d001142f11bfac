"""Building the native accelerator: for which machine, and what is said and left where it cannot be built."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tailrace.errors import UserError
from tailrace_local import accelerator
from tailrace_local.accelerator import LIBRARY, build, find_target, fingerprint, main

LAYER = Path(__file__).resolve().parents[2] / "layers" / "tailrace"
WITHOUT = "Tailrace goes on without its native accelerator, slower and to the same effect: "


@pytest.fixture
def stale(tmp_path):
    """A library of another source."""
    (tmp_path / LIBRARY).write_bytes(b"stale")
    return tmp_path / LIBRARY


@pytest.fixture
def zig(tmp_path, monkeypatch):
    """A tool environment whose compiler says one line and fails."""
    made = tmp_path / "zig" / "bin" / "python"
    made.parent.mkdir(parents=True)
    made.write_text("#!/bin/sh\necho 'native.c:1: no' >&2\nexit 1\n")
    made.chmod(0o755)
    monkeypatch.setattr(accelerator, "ensure_tool_environment", lambda name, notify: tmp_path / "zig")


def no_compiler(name, notify):
    raise UserError("cannot fetch the packages of zig.txt")


def test_lambdas_platforms_are_compiled_for_its_glibc():
    assert find_target("manylinux2014_aarch64") == "aarch64-linux-gnu.2.34"
    assert find_target("manylinux_2_28_x86_64") == "x86_64-linux-gnu.2.34"


@pytest.mark.parametrize(
    ("system", "machine", "libc", "target"),
    [
        ("linux", "x86_64", "glibc", "x86_64-linux-gnu.2.17"),
        ("linux", "aarch64", "", "aarch64-linux-musl"),
        ("darwin", "arm64", "", "aarch64-macos"),
    ],
)
def test_native_is_this_machine(monkeypatch, system, machine, libc, target):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: (libc, ""))

    assert find_target("native") == target


@pytest.mark.parametrize("wanted", ["win_amd64", "manylinux_2_28_ppc64le"])
def test_another_machine_is_refused(wanted):
    with pytest.raises(UserError, match=f"^it is not made for {wanted}$"):
        find_target(wanted)


def test_the_fingerprint_is_of_every_source_file(tmp_path):
    (tmp_path / "a.c").write_text("int a;")
    before = fingerprint(tmp_path)
    (tmp_path / "b.h").write_text("")

    assert fingerprint(tmp_path) != before


def test_without_a_compiler_it_is_one_sentence_no_failure_and_nothing_stale(monkeypatch, capsys, stale):
    monkeypatch.setattr(accelerator, "ensure_tool_environment", no_compiler)

    assert main([str(LAYER / "native"), str(stale.parent), "native"]) == 0
    assert capsys.readouterr().err == f"{WITHOUT}cannot fetch the packages of zig.txt\n"
    assert not stale.exists()


def test_an_unknown_platform_is_one_sentence_and_no_failure(capsys, stale):
    assert main([str(LAYER / "native"), str(stale.parent), "win_amd64"]) == 0
    assert capsys.readouterr().err == f"{WITHOUT}it is not made for win_amd64\n"
    assert not stale.exists()


def test_a_compiler_that_fails_is_quoted_and_leaves_nothing(zig, stale):
    with pytest.raises(UserError, match=r"^the compiler says: native\.c:1: no$"):
        build(LAYER / "native", stale.parent, "manylinux2014_aarch64")
    assert [path.name for path in stale.parent.iterdir()] == ["zig"]


def test_a_library_that_does_not_load_is_as_none(tmp_path):
    shutil.copytree(LAYER / "tailrace", tmp_path / "tailrace")
    (tmp_path / "tailrace" / LIBRARY).write_bytes(b"\x7fELF and nothing else")
    command = [sys.executable, "-c", "from tailrace import acceleration; print(acceleration.NATIVE)"]
    said = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": "."}, capture_output=True, text=True, timeout=60)

    assert (said.stdout, said.stderr) == ("None\n", "")


def plan_of_the_layer(*variables):
    """What make would run to build the layer."""
    command = ["make", "--dry-run", "build-TailraceLayer", "ARTIFACTS_DIR=/nowhere", *variables]
    return subprocess.run(command, cwd=LAYER, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_layer_is_built_with_the_accelerator_unless_it_is_left_out():
    assert " -m tailrace_local.accelerator native " in plan_of_the_layer()
    assert "tailrace_local" not in plan_of_the_layer("TAILRACE_BUILD_NATIVE=no")


@pytest.mark.slow
def test_two_builds_are_byte_identical(tmp_path):
    built = [build(LAYER / "native", tmp_path, "manylinux2014_aarch64").read_bytes() for _ in range(2)]

    assert built[0] == built[1]
