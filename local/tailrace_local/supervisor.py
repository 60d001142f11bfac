"""The process behind `tailrace local up`: it holds the laptop cloud until it is told to stop.

`python -m tailrace_local.supervisor --report-to FD …`: what people should hear goes to the descriptor as JSON lines
(`pid`, `notice`, then `ready` or `failed`), after which it is closed; everything else goes to a log.

Invariant: it holds the folder's lock as long as anything of the cloud is alive.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn
from urllib.parse import unquote

import orjson

from tailrace.adapters.tables_file import read_tables
from tailrace.errors import TailraceError, UserError
from tailrace_local.cloud import LaptopCloud
from tailrace_local.cloud_control import ControlServer
from tailrace_local.cloud_reports import describe, invoke
from tailrace_local.cloud_state import LOOK_AGAIN_SECONDS, CloudState, hold, write_state
from tailrace_local.external_engine import without_credentials
from tailrace_local.laptop_tables import kinesis_tables, table_requests
from tailrace_local.paths import state_directory

EXIT_FAILED, EXIT_USAGE = 1, 2
NEVER_SECONDS = 86_400.0
HOLD_PATIENCE_SECONDS = 1.0


class _Stopped(BaseException):
    """Somebody asked for the end."""


def main(arguments: Sequence[str]) -> NoReturn:
    """Go into the background, hold a laptop cloud until SIGTERM or SIGINT, and end the process with its status."""
    options = _parse(arguments)
    _go_into_the_background()
    run = state_directory() / "run"
    reports = os.fdopen(options.report_to, "wb", buffering=0)
    _tell(reports, pid=os.getpid())
    lock = _hold_patiently(run)
    if lock is None:
        _tell(reports, failed="the laptop cloud is up already", status=EXIT_FAILED)
        os._exit(EXIT_FAILED)
    # Whoever waits for the lock, or for the end of the reports, waits for the end of this process: nobody closes them.
    os._exit(_supervise(options, run, reports))


def _go_into_the_background() -> None:
    # The process that was started ends here, so that its starter neither waits for a child nor leaves a zombie.
    if os.fork():
        os._exit(0)
    os.setsid()


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--template", type=Path, required=True)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--built", action="store_true")
    parser.add_argument("--report-to", type=int, required=True)
    return parser.parse_args(arguments)


def _hold_patiently(run: Path) -> IO[str] | None:
    # Whoever only looks whether a supervisor lives holds the lock for a moment, too.
    deadline = time.monotonic() + HOLD_PATIENCE_SECONDS
    while (lock := hold(run)) is None and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN_SECONDS)
    return lock


def _supervise(options: argparse.Namespace, run: Path, reports: IO[bytes]) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        _hold_cloud(options, run, reports)
    except _Stopped:
        return 0
    except TailraceError as error:
        status = EXIT_USAGE if isinstance(error, UserError) else EXIT_FAILED
        _tell(reports, failed=str(error), status=status)
        return status
    return 0


def _hold_cloud(options: argparse.Namespace, run: Path, reports: IO[bytes]) -> None:
    tables = read_tables(options.tables)
    cloud = LaptopCloud(
        options.template,
        table_requests(tables),
        is_built=options.built,
        kinesis_tables=kinesis_tables(tables),
        notify=lambda line: _tell(reports, notice=line),
    )
    with cloud, ControlServer(lambda path, body: _answer(cloud, path, body), secrets.token_urlsafe()) as control:
        state = CloudState(
            pid=os.getpid(),
            started_at=time.time(),
            template=str(options.template),
            is_built=options.built,
            control=control.address,
            token=control.token,
            endpoints={"opensearch": without_credentials(cloud.engine.url), "aws": cloud.emulator.url},
        )
        write_state(run, state)
        _tell(reports, ready=describe(cloud))
        reports.close()
        control.serve_forever(poll_interval=NEVER_SECONDS)


def _answer(cloud: LaptopCloud, path: str, body: bytes) -> Any:
    verb, _, name = path.removeprefix("/").partition("/")
    if verb == "status":
        cloud.attach_streams()
        return describe(cloud)
    if verb == "invoke":
        return invoke(cloud, unquote(name), body)
    raise UserError(f"there is nothing at {path}")


def _tell(reports: IO[bytes], **line: object) -> None:
    # Whoever started this may be gone; the cloud stays.
    with suppress(BrokenPipeError, ValueError):
        reports.write(orjson.dumps(line) + b"\n")


def _stop(*_: object) -> NoReturn:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise _Stopped


if __name__ == "__main__":
    main(sys.argv[1:])
