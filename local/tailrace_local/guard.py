"""A small process between a starter and its child, so that the child cannot outlive the starter.

It holds the reading end of a pipe whose writing end only the starter has. When that end closes, for whatever reason
(SIGKILL too), the child's whole process group is killed. Run as a file, with the standard library alone: it is on the
way of every start. Orders on the pipe: `T` SIGTERM to the group, `K` SIGKILL to the group.

Invariant: when the guard has ended, no member of the child's process group is alive.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

ORDERS = {b"T": signal.SIGTERM, b"K": signal.SIGKILL}
PR_SET_PDEATHSIG = 1
SIGNAL_EXIT_BASE = 128


def main(arguments: Sequence[str]) -> int:
    """Runs one child to its end and answers its exit status, 128 + N where signal N ended it."""
    options = _parse(arguments)
    child_ended = _wake_up_on_child_end()
    try:
        child = _start(options)
    except (OSError, subprocess.SubprocessError) as error:
        _report(f"failed {error}")
        return 127
    signal.signal(signal.SIGTERM, _end_now)
    try:
        _report(f"started {child.pid}")
        _obey_until_the_end(child, child_ended)
    finally:
        _signal_group(child.pid, signal.SIGKILL)
        status = child.wait()
    return status if status >= 0 else SIGNAL_EXIT_BASE - status


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--user", type=int)
    parser.add_argument("--group", type=int)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args(arguments)


def _start(options: argparse.Namespace) -> subprocess.Popen[bytes]:
    groups: list[int] | None = None if options.group is None else []
    return subprocess.Popen(
        options.command[1:],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=_die_with_guard(),
        user=options.user,
        group=options.group,
        extra_groups=groups,
    )


def _die_with_guard() -> Callable[[], object] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _wake_up_on_child_end() -> int:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing)
    return reading


def _obey_until_the_end(child: subprocess.Popen[bytes], child_ended: int) -> None:
    while child.poll() is None:
        ready, _, _ = select.select([sys.stdin.fileno(), child_ended], [], [])
        if child_ended in ready:
            os.read(child_ended, 64)
        if sys.stdin.fileno() in ready:
            order = os.read(sys.stdin.fileno(), 1)
            if not order:
                return
            _signal_group(child.pid, ORDERS[order])


def _signal_group(group: int, number: signal.Signals) -> None:
    # macOS answers EPERM where only a zombie is left in the group.
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _end_now(*_: object) -> NoReturn:
    raise SystemExit(SIGNAL_EXIT_BASE + signal.SIGTERM)


def _report(line: str) -> None:
    # The starter may be dead already; then the closed pipe of orders ends everything.
    try:
        os.write(sys.stdout.fileno(), f"{line}\n".encode())
    except BrokenPipeError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
