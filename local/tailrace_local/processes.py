"""Child processes that cannot be left behind.

Every child runs under a guard (`guard.py`) that kills the child's process group as soon as its starter is gone, even by
SIGKILL. The child has a session of its own, so Ctrl-C in the terminal reaches the starter alone, which then decides.

Invariant: no process of a `ChildProcess` is alive after `stop()`, `kill()` or the starter's own end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tailrace.errors import TailraceError

GUARD = Path(__file__).with_name("guard.py")
STOP_GRACE_SECONDS = 10.0


class StartError(TailraceError):
    """The operating system would not start a command; its reason is the message."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: arguments, log file (appended to), environment (None: ours), working directory, ids to drop to."""

    arguments: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] | None = None
    directory: Path | None = None
    user: int | None = None
    group: int | None = None


class ChildProcess:
    """One guarded child. `start()` once, then `stop()` or `kill()`; also a context manager around both.

    `pid` is the child's own, and the id of its session and process group.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self.pid = 0
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the command. Raises `StartError` where that is impossible."""
        self.command.log.parent.mkdir(parents=True, exist_ok=True)
        with self.command.log.open("ab") as log:
            self._guard = self._start_guard(log)
        try:
            self.pid = self._read_pid(self._guard)
        except BaseException:
            self.kill()
            raise

    def exit_status(self) -> int | None:
        """None while the child runs; then its exit status, 128 + N where signal N ended it."""
        return None if self._guard is None else self._guard.poll()

    def is_running(self) -> bool:
        """Whether the child was started and has not ended."""
        return self._guard is not None and self._guard.poll() is None

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Waits for the child's end and answers its exit status. Raises `TimeoutError`."""
        if self._guard is None:
            raise StartError("waited for a command that was never started")
        try:
            return self._guard.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"still running after {timeout_seconds} s") from None

    def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """SIGTERM to the group, SIGKILL after the grace. Returns when nothing is left; harmless when nothing runs."""
        self._order(b"T")
        if self._guard is not None:
            with suppress(subprocess.TimeoutExpired):
                self._guard.wait(grace_seconds)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the group. Returns when nothing is left; harmless when nothing runs."""
        self._order(b"K")
        if self._guard is not None:
            self._guard.wait()
            self._close(self._guard)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _start_guard(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = self.command
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), *_ids(command), "--", *map(str, command.arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=None if command.environment is None else dict(command.environment),
            cwd=command.directory,
            start_new_session=True,
        )

    def _read_pid(self, guard: subprocess.Popen[bytes]) -> int:
        assert guard.stdout is not None
        word, _, rest = guard.stdout.readline().decode(errors="replace").strip().partition(" ")
        if word != "started":
            raise StartError(rest or "the guard process ended early")
        return int(rest)

    def _order(self, order: bytes) -> None:
        if self._guard is None or self._guard.stdin is None or self._guard.stdin.closed:
            return
        with suppress(BrokenPipeError):
            os.write(self._guard.stdin.fileno(), order)

    @staticmethod
    def _close(guard: subprocess.Popen[bytes]) -> None:
        for pipe in (guard.stdin, guard.stdout):
            if pipe is not None:
                pipe.close()


def run_to_end(command: Command, timeout_seconds: float) -> int:
    """Runs a command to its end as a guarded child and answers its exit status. Raises `StartError`, `TimeoutError`."""
    with ChildProcess(command) as child:
        return child.wait(timeout_seconds)


def _ids(command: Command) -> list[str]:
    wanted = {"--user": command.user, "--group": command.group}
    return [f"{option}={number}" for option, number in wanted.items() if number is not None]


def succeeds(arguments: Sequence[str | Path], user: int | None = None, timeout_seconds: float = 60.0) -> bool:
    """Whether a short command ends with status 0, run as `user` (None: as we are); its output is thrown away."""
    groups: list[int] | None = None if user is None else []
    try:
        ended = subprocess.run(
            arguments,
            user=user,
            group=user,
            extra_groups=groups,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout_seconds,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return ended.returncode == 0
