"""Starting a supervisor in the background, and hearing from it until it is ready.

Invariant: a starter that is interrupted takes the supervisor with it; one that is done leaves it alone.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from tailrace.errors import TailraceError, UserError

EXIT_USAGE = 2
STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Launch:
    """What to bring up, and where its log goes."""

    template: Path
    tables: Path
    is_built: bool
    log: Path


def start_supervisor(launch: Launch, notify: Callable[[str], None]) -> dict[str, Any]:
    """Start it and wait until it is ready; answers its description of what runs.

    Raises `UserError` or `TailraceError` with the supervisor's own sentence.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reports:
        try:
            _spawn(launch, writing)
        finally:
            os.close(writing)
        pid = _read_pid(reports, launch.log)
        try:
            return _listen(reports, notify, launch.log)
        except BaseException:
            _end(pid, reports)
            raise


def _spawn(launch: Launch, report_to: int) -> None:
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    paths = [f"--template={launch.template.resolve()}", f"--tables={launch.tables.resolve()}"]
    options = [*paths, *(["--built"] if launch.is_built else []), f"--report-to={report_to}"]
    with launch.log.open("wb") as log:
        # It goes into the background by itself; what is waited for here is only the process that it forks from.
        subprocess.run(
            [sys.executable, "-m", "tailrace_local.supervisor", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[report_to],
            start_new_session=True,
            check=False,
        )


def _read_pid(reports: IO[bytes], log: Path) -> int:
    line = reports.readline()
    if not line:
        raise TailraceError(f"the laptop cloud ended before it was ready: see {log}")
    return int(orjson.loads(line)["pid"])


def _listen(reports: IO[bytes], notify: Callable[[str], None], log: Path) -> dict[str, Any]:
    for line in reports:
        report = orjson.loads(line)
        if "ready" in report:
            return dict(report["ready"])
        if "failed" in report:
            raise (UserError if report["status"] == EXIT_USAGE else TailraceError)(report["failed"])
        notify(report["notice"])
    raise TailraceError(f"the laptop cloud ended before it was ready: see {log}")


def _end(pid: int, reports: IO[bytes]) -> None:
    # The supervisor alone has the writing end: its end is the end of the reports.
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if not select.select([reports], [], [], STOP_SECONDS)[0]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    reports.read()
