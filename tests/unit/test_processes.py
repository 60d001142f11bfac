"""No child outlives its starter, whatever happens to either of them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tailrace_local.http_probes import wait_until
from tailrace_local.processes import ChildProcess, Command, StartError, run_to_end, succeeds

SOON = 10.0
STARTER = """
import sys, time
from pathlib import Path
from tailrace_local.processes import ChildProcess, Command
child = ChildProcess(Command(["sh", "-c", "sleep 60 & echo $!; wait"], log=Path(sys.argv[1])))
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""


def shell(script, log, **options):
    return ChildProcess(Command(["sh", "-c", script], log=log, **options))


def is_alive(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return state.strip() != "" and not state.startswith("Z")


def has_said(log, line):
    return log.exists() and line in log.read_text().splitlines()


def pid_said(log):
    assert wait_until(lambda: log.exists() and log.read_text().endswith("\n"), SOON)
    return int(log.read_text())


@pytest.fixture
def log(tmp_path):
    return tmp_path / "logs" / "child.log"


@pytest.fixture
def starter(log):
    """A process of its own that has started a child, which has a child in turn."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(log)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with process:
        yield process
        process.kill()


def test_a_killed_starter_leaves_neither_child_nor_grandchild(starter, log):
    child, grandchild = int(starter.stdout.readline()), pid_said(log)

    starter.send_signal(signal.SIGKILL)

    assert wait_until(lambda: not is_alive(child) and not is_alive(grandchild), SOON)


def test_an_interrupted_starter_leaves_neither_child_nor_grandchild(starter, log):
    child, grandchild = int(starter.stdout.readline()), pid_said(log)

    starter.send_signal(signal.SIGINT)

    assert wait_until(lambda: not is_alive(child) and not is_alive(grandchild), SOON)


def test_a_child_that_ends_takes_its_own_children_along(log):
    with shell("sleep 60 & echo $!", log) as child:
        child.wait(SOON)

    assert not is_alive(pid_said(log))


def test_a_child_dies_with_its_guard(log):
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux can tie a child to its guard")
    with shell("exec sleep 60", log) as child:
        os.kill(child._guard.pid, signal.SIGKILL)

        assert wait_until(lambda: not is_alive(child.pid), SOON)


def test_a_child_has_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(log):
    with shell("exec sleep 60", log) as child:
        assert os.getsid(child.pid) == child.pid
        assert os.getsid(child._guard.pid) != os.getsid(0)


def test_stop_asks_first(log):
    child = shell("trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.05; done", log)
    with child:
        wait_until(lambda: has_said(log, "ready"), SOON)

    assert has_said(log, "asked")
    assert child.exit_status() == 7


def test_stop_kills_who_does_not_listen(log):
    child = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done", log)
    child.start()
    wait_until(lambda: has_said(log, "ready"), SOON)

    child.stop(grace_seconds=0.2)

    assert not child.is_running()
    assert child.exit_status() == 128 + signal.SIGKILL


def test_kill_ends_at_once_and_may_be_repeated(log):
    child = shell("exec sleep 60", log)
    child.start()

    child.kill()
    child.kill()
    child.stop()

    assert not is_alive(child.pid)


def test_what_was_never_started_can_be_stopped(log):
    child = shell("exit 0", log)

    child.stop()
    child.kill()

    assert child.exit_status() is None


def test_the_log_holds_both_streams_in_order(log):
    run_to_end(Command(["sh", "-c", "echo one; echo two >&2; echo three"], log=log), SOON)

    assert log.read_text() == "one\ntwo\nthree\n"


def test_a_child_sees_the_given_environment_and_directory_alone(log, tmp_path):
    command = Command(["sh", "-c", 'echo "$GIVEN $HOME"; pwd'], log=log, environment={"GIVEN": "x"}, directory=tmp_path)

    run_to_end(command, SOON)

    assert log.read_text() == f"x \n{tmp_path}\n"


def test_the_exit_status_is_the_childs_own(log):
    assert run_to_end(Command(["sh", "-c", "exit 3"], log=log), SOON) == 3


def test_waiting_has_an_end_and_leaves_nothing(log):
    with pytest.raises(TimeoutError):
        run_to_end(Command(["sh", "-c", "echo $$; exec sleep 60"], log=log), 0.3)

    assert not is_alive(pid_said(log))


def test_a_command_that_is_not_there_is_named(log):
    with pytest.raises(StartError, match="no-such-command"):
        ChildProcess(Command(["no-such-command"], log=log)).start()


def test_success_is_status_zero():
    assert succeeds(["true"])
    assert not succeeds(["false"])
    assert not succeeds([Path("/no/such/command")])
    assert not succeeds(["sleep", "60"], timeout_seconds=0.1)
