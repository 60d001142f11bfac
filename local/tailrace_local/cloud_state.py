"""The laptop cloud that runs in the background: who holds it, and how to reach it.

Its supervisor holds a file lock as long as it lives, so a state that nobody holds is a leftover (of a kill -9, or of a
reboot) and is removed when it is seen. The state file has the supervisor's pid and start time, and is for its owner's
eyes alone: it holds the token of the control server.

Invariant: a state that `read_state` answers belongs to a living supervisor.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

import orjson

from tailrace.errors import TailraceError
from tailrace_local.locks import try_lock

LOCK_NAME, STATE_NAME = "cloud.supervisor.lock", "cloud.json"
LOOK_AGAIN_SECONDS = 0.05
PATIENCE_SECONDS = 10.0


class BetweenStatesError(TailraceError):
    """Somebody else is starting or stopping the cloud."""


@dataclass(frozen=True, slots=True)
class CloudState:
    """A running laptop cloud: its supervisor, and its endpoints by name (`opensearch`, `aws`)."""

    pid: int
    started_at: float
    template: str
    is_built: bool
    control: str
    token: str
    endpoints: dict[str, str] = field(default_factory=dict)


def hold(run: Path) -> IO[str] | None:
    """Become the supervisor of this folder: the held lock, or None where there is one already."""
    run.mkdir(parents=True, exist_ok=True)
    lock = try_lock(run / LOCK_NAME)
    if lock is not None:
        (run / STATE_NAME).unlink(missing_ok=True)
    return lock


def is_held(run: Path) -> bool:
    """Whether a supervisor lives, ready or not; a leftover state is removed."""
    lock = hold(run)
    if lock is None:
        return True
    lock.close()
    return False


def write_state(run: Path, state: CloudState) -> None:
    """Say that the cloud is ready. The caller holds the lock."""
    draft = run / f"{STATE_NAME}.draft"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(asdict(state)))
    draft.replace(run / STATE_NAME)


def read_state(run: Path, patience_seconds: float = PATIENCE_SECONDS) -> CloudState | None:
    """The running cloud; None where none runs. One that is just starting or stopping is waited for.

    Raises `BetweenStatesError` when it is neither up nor down after the time given.
    """
    deadline = time.monotonic() + patience_seconds
    while is_held(run):
        with suppress(FileNotFoundError):
            return CloudState(**orjson.loads((run / STATE_NAME).read_bytes()))
        if time.monotonic() > deadline:
            raise BetweenStatesError("the laptop cloud is just being started or stopped: try again in a moment")
        time.sleep(LOOK_AGAIN_SECONDS)
    return None


def stop_supervisor(run: Path, state: CloudState, seconds: float) -> bool:
    """Ask the supervisor to stop and wait for its end; after the time given, end it. Answers whether it obeyed."""
    deadline = time.monotonic() + seconds
    _signal(state.pid, signal.SIGTERM)
    while is_held(run):
        if time.monotonic() > deadline:
            _signal(state.pid, signal.SIGKILL)
            return False
        time.sleep(LOOK_AGAIN_SECONDS)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
