"""Which Java is taken: one that is new enough, wherever it is; and what is said where a named one is not."""

import os

import pytest

from tailrace.errors import UserError
from tailrace_local.java import JAVA_FOR_2, JAVA_FOR_3, Java, ask_version, find_java, java_for

EMPTY_PATH = "/no/such/folder"


def make_java(home, version, status=0):
    """A Java home whose `java` says a version, as the real one does, on the error stream."""
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-20' >&2\nexit {status}\n")
    executable.chmod(0o755)
    return executable


def refuse_to_install(notify):
    raise AssertionError("nothing was to be installed")


def test_java_home_comes_first(tmp_path):
    at_home, on_path = make_java(tmp_path / "home", "25.0.2"), make_java(tmp_path / "other", "21.0.1")
    environ = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(on_path.parent)}

    assert find_java(environ, install=refuse_to_install) == Java(at_home, "25.0.2")


def test_a_java_home_that_is_too_old_falls_through_to_the_path(tmp_path):
    make_java(tmp_path / "old", "17.0.15")
    on_path = make_java(tmp_path / "new", "21.0.1")
    environ = {"JAVA_HOME": str(tmp_path / "old"), "PATH": str(on_path.parent)}

    assert find_java(environ, install=refuse_to_install) == Java(on_path, "21.0.1")


@pytest.mark.parametrize("version", ["17.0.15", "1.8.0_402", "11"])
def test_where_all_are_too_old_one_is_installed(tmp_path, version):
    old = make_java(tmp_path / "old", version)
    installed = make_java(tmp_path / "wheel", "25.0.2")
    environ = {"JAVA_HOME": str(tmp_path / "old"), "PATH": str(old.parent)}

    assert find_java(environ, install=lambda notify: tmp_path / "wheel") == Java(installed, "25.0.2")


@pytest.mark.parametrize("home", ["", "/no/such/home"])
def test_where_there_is_none_one_is_installed(tmp_path, home):
    installed = make_java(tmp_path / "wheel", "25.0.2")

    found = find_java({"JAVA_HOME": home, "PATH": EMPTY_PATH}, install=lambda notify: tmp_path / "wheel")

    assert found == Java(installed, "25.0.2")


def test_a_java_that_does_not_run_counts_as_none(tmp_path):
    assert ask_version(make_java(tmp_path / "broken", "25.0.2", status=1)) is None
    assert ask_version(tmp_path / "absent") is None


def test_a_named_java_that_is_too_old_is_refused_with_both_versions(tmp_path):
    make_java(tmp_path / "old", "17.0.15")

    with pytest.raises(UserError, match=r"old is Java 17\.0\.15, and OpenSearch needs 21 or newer"):
        find_java({"TAILRACE_JAVA": str(tmp_path / "old"), "PATH": EMPTY_PATH}, install=refuse_to_install)


def test_a_named_java_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"TAILRACE_JAVA=.*absent: no Java runs there; name the home of a Java 21 or newer"
    ):
        find_java({"TAILRACE_JAVA": str(tmp_path / "absent"), "PATH": EMPTY_PATH}, install=refuse_to_install)


def test_a_java_may_be_named_by_home_or_by_executable(tmp_path):
    executable = make_java(tmp_path / "new", "25.0.2")

    by_home = find_java({"TAILRACE_JAVA": str(tmp_path / "new")}, install=refuse_to_install)
    by_executable = find_java({"TAILRACE_JAVA": str(executable)}, install=refuse_to_install)

    assert by_home == by_executable == Java(executable, "25.0.2")


def test_a_named_java_goes_before_java_home(tmp_path):
    named = make_java(tmp_path / "named", "25.0.2")
    make_java(tmp_path / "home", "21.0.1")
    environ = {"TAILRACE_JAVA": str(tmp_path / "named"), "JAVA_HOME": str(tmp_path / "home")}

    assert find_java(environ, install=refuse_to_install) == Java(named, "25.0.2")


def test_an_installed_java_that_does_not_run_is_an_error_with_a_way_out(tmp_path):
    with pytest.raises(UserError, match=r"does not run on this machine: install Java 21 or newer .* JAVA_HOME"):
        find_java({"PATH": EMPTY_PATH}, install=lambda notify: tmp_path / "wheel")


@pytest.mark.parametrize(("version", "major"), [("21.0.4", 21), ("25", 25), ("1.8.0_402", 8), ("26-ea", 26)])
def test_the_major_version_is_read_as_java_writes_it(version, major):
    assert Java(os.devnull, version).major == major


def test_the_archive_of_javas_own_classes_is_noticed(tmp_path):
    java = Java(make_java(tmp_path, "25.0.2"), "25.0.2")
    assert not java.has_base_archive

    (tmp_path / "lib" / "server").mkdir(parents=True)
    (tmp_path / "lib" / "server" / "classes.jsa").touch()

    assert java.has_base_archive


def test_each_line_of_opensearch_has_its_own_range_of_java():
    assert (java_for("2.19.4"), java_for("3.7.0")) == (JAVA_FOR_2, JAVA_FOR_3)
    assert (str(JAVA_FOR_2), str(JAVA_FOR_3)) == ("17 to 21", "21 or newer")


@pytest.mark.parametrize(
    ("version", "is_taken"), [("11.0.2", False), ("17.0.15", True), ("21.0.8", True), ("25", False)]
)
def test_opensearch_2_takes_no_java_that_has_lost_the_security_manager(tmp_path, version, is_taken):
    given = make_java(tmp_path / "given", version)
    wheel = make_java(tmp_path / "wheel", "21.0.8")
    environ = {"JAVA_HOME": str(tmp_path / "given"), "PATH": EMPTY_PATH}

    found = find_java(environ, wanted=JAVA_FOR_2, install=lambda notify: tmp_path / "wheel")

    assert found.executable == (given if is_taken else wheel)


def test_a_named_java_that_is_too_new_is_refused_with_both_versions(tmp_path):
    make_java(tmp_path / "new", "25.0.2")

    with pytest.raises(
        UserError, match=r"new is Java 25\.0\.2, and OpenSearch needs 17 to 21: name another, or unset it$"
    ):
        find_java({"TAILRACE_JAVA": str(tmp_path / "new")}, wanted=JAVA_FOR_2, install=refuse_to_install)
