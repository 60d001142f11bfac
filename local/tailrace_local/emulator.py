"""The emulated cloud: ministack's DynamoDB, Streams, Kinesis and S3 in a process of its own, on loopback only.

It keeps everything in memory. Its variables are chosen here and none is inherited: by itself it would listen on all
addresses, open ports for MQTT and SFTP, and write below /tmp.

Invariant: an `Emulator` that is started has no listener but on loopback; this was read from the system, not assumed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from tailrace.errors import UserError
from tailrace_local.http_probes import get_json, wait_until
from tailrace_local.instances import InstanceDirectory
from tailrace_local.listeners import refuse_open_listeners
from tailrace_local.loopback_ports import free_ports, refuse_taken_port, some_ports
from tailrace_local.paths import state_directory
from tailrace_local.processes import ChildProcess, Command
from tailrace_local.server_logs import last_meaningful_line
from tailrace_local.toolenvs import Notify, ensure_tool_environment, say_nothing

PORT_ATTEMPTS = 5
START_TIMEOUT_SECONDS = 60.0
AUTHORISATION = {"AUTH": "true", "CLOUDTRAIL_RECORDING": "1"}
HEALTH_PATH = "/_ministack/health"
OWN_PACKAGES = Path(__file__).resolve().parents[1]


class EmulatorStartError(UserError):
    """The emulator ended before it answered; the message holds its own last word."""


class EmulatorSilentError(UserError):
    """The emulator runs and does not answer: another port would not help."""


class Emulator:
    """One emulator; a context manager (`start()` … `close()`). What it holds is lost when it stops.

    Without `port` it takes a free one. Without `directory` its log and scratch files live in a fresh folder that
    `close()` removes. `account` has 12 digits. One that `authorises` checks signatures and IAM policies as AWS does,
    for everybody but the identity `test`/`test`, and keeps a trail of the calls (CloudTrail's LookupEvents).
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        directory: Path | None = None,
        account: str = "000000000000",
        region: str = "us-east-1",
        authorises: bool = False,
        environ: Mapping[str, str] | None = None,
        notify: Notify = say_nothing,
    ) -> None:
        self.account = account
        self.region = region
        self._port = port
        self._authorises = authorises
        self._directory = directory
        self._environ = os.environ if environ is None else environ
        self._notify = notify
        self._fresh: InstanceDirectory | None = None
        self._child: ChildProcess | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`: the endpoint of every service. Raises `UserError` before the first start."""
        if self._port is None:
            raise UserError("the emulator was not started yet, so it has no port")
        return f"http://127.0.0.1:{self._port}"

    @property
    def directory(self) -> Path:
        """Its folder. Raises `UserError` where there is none yet or no more."""
        if self._directory is not None:
            return self._directory.resolve()
        if self._fresh is None:
            raise UserError("the emulator does not run, so it has no folder")
        return self._fresh.path

    @property
    def log(self) -> Path:
        """What it says."""
        return self.directory / "emulator.log"

    @property
    def pid(self) -> int:
        """Its process id; 0 before the first start."""
        return self._child.pid if self._child else 0

    def start(self) -> None:
        """Starts it, unless it runs, and waits until it is healthy. Fetches it on the first use.

        Raises `UserError` where it cannot be fetched, a fixed port is taken, it does not come up or listens on more
        than loopback.
        """
        if self._child is not None and self._child.is_running():
            return
        self.kill()
        if self._port is not None:
            refuse_taken_port(self._port)
        environment = ensure_tool_environment("ministack", notify=self._notify, environ=self._environ)
        if self._directory is not None or self._fresh is not None:
            self._launch(environment)
            return
        self._fresh = InstanceDirectory("emulator", state_directory(self._environ) / "run")
        try:
            self._launch(environment)
        except BaseException:
            self.close()
            raise

    def stop(self) -> None:
        """Stops it; harmless when it does not run."""
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """Ends it at once (SIGKILL), as a crash would."""
        if self._child is not None:
            self._child.kill()

    def close(self) -> None:
        """`stop()`, and removes the folder if it is not the caller's."""
        self.stop()
        if self._fresh is not None:
            self._fresh.remove()
            self._fresh = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _launch(self, environment: Path) -> None:
        if self._port is None:
            self._port = self._start_at_first(environment, islice(free_ports(some_ports()), PORT_ATTEMPTS))
        else:
            self._start_at(environment, self._port)

    def _start_at_first(self, environment: Path, ports: Iterable[int]) -> int:
        # Between finding a port free and listening there, another process may take it: then the next one is tried.
        failure = EmulatorStartError("the emulator found no free port on 127.0.0.1")
        for port in ports:
            try:
                self._start_at(environment, port)
            except EmulatorStartError as error:
                failure = error
            else:
                return port
        raise failure

    def _start_at(self, environment: Path, port: int) -> None:
        self.log.unlink(missing_ok=True)
        self._child = child = ChildProcess(self._command(environment, port))
        try:
            child.start()
            wait_until(lambda: get_json(port, HEALTH_PATH) is not None or not child.is_running(), START_TIMEOUT_SECONDS)
            if not child.is_running():
                raise EmulatorStartError(f"the emulator did not start: {last_meaningful_line(self.log)}")
            if get_json(port, HEALTH_PATH) is None:
                raise EmulatorSilentError(f"the emulator does not answer: {last_meaningful_line(self.log)}")
            refuse_open_listeners(child.pid, "the emulator")
        except BaseException:
            child.kill()
            raise

    def _command(self, environment: Path, port: int) -> Command:
        scratch = self.directory / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        return Command(
            [environment / "bin" / "python", "-m", "tailrace_local.emulator_exports"],
            log=self.log,
            environment={"PYTHONPATH": str(OWN_PACKAGES)}
            | build_environment(scratch, port, account=self.account, region=self.region)
            | (AUTHORISATION if self._authorises else {}),
            directory=scratch,
        )


def build_environment(scratch: Path, port: int, *, account: str, region: str) -> dict[str, str]:
    """The emulator's whole environment: loopback only, in memory only, scratch files in one folder."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "STATE_DIR": str(scratch / "state"),
        "S3_DATA_DIR": str(scratch / "s3"),
        "MINISTACK_ACCOUNT_ID": account,
        "MINISTACK_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
    }
