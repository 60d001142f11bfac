"""The state of the background cloud: only what a living supervisor holds counts."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from tailrace_local.cloud_state import (
    STATE_NAME,
    BetweenStatesError,
    CloudState,
    hold,
    is_held,
    read_state,
    stop_supervisor,
    write_state,
)

STATE = CloudState(
    pid=os.getpid(), started_at=1.0, template="template.yaml", is_built=False, control="127.0.0.1:9", token="secret"
)
HOLDER = """
import sys, time
from pathlib import Path
from tailrace_local.cloud_state import CloudState, hold, write_state
import os, signal
run = Path(sys.argv[1])
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock = hold(run)
write_state(run, CloudState(os.getpid(), 1.0, "template.yaml", False, "127.0.0.1:9", "secret"))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Starts another process that holds the folder."""
    started = []

    def start(kind="obedient"):
        process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path, kind], stdout=subprocess.PIPE)
        started.append(process)
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_state_is_read_while_its_supervisor_lives(tmp_path, holder):
    process = holder()

    assert read_state(tmp_path).pid == process.pid
    assert is_held(tmp_path)


def test_a_second_supervisor_is_refused(tmp_path, holder):
    holder()

    assert hold(tmp_path) is None


def test_a_state_left_behind_by_a_kill_is_recognised_and_removed(tmp_path, holder):
    process = holder()
    process.kill()
    process.wait()

    assert read_state(tmp_path) is None
    assert not (tmp_path / STATE_NAME).exists()


def test_a_cloud_that_is_neither_up_nor_down_is_said_so(tmp_path):
    with hold(tmp_path), pytest.raises(BetweenStatesError, match="just being started or stopped"):
        read_state(tmp_path, 0)


def test_a_cloud_that_is_just_stopping_is_waited_for(tmp_path):
    lock = hold(tmp_path)
    threading.Timer(0.1, lock.close).start()

    assert read_state(tmp_path) is None


def test_the_state_is_for_its_owners_eyes_alone(tmp_path):
    with hold(tmp_path):
        write_state(tmp_path, STATE)

    assert stat.S_IMODE((tmp_path / STATE_NAME).stat().st_mode) == 0o600


def test_stopping_waits_for_the_end(tmp_path, holder):
    process = holder()

    assert stop_supervisor(tmp_path, read_state(tmp_path), 10) is True
    assert process.wait(1) != 0
    assert not is_held(tmp_path)


def test_a_supervisor_that_does_not_obey_is_ended(tmp_path, holder):
    process = holder("stubborn")

    assert stop_supervisor(tmp_path, read_state(tmp_path), 0.2) is False
    process.wait(5)
    assert not is_held(tmp_path)
