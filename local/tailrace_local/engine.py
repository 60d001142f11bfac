"""The real engine: an OpenSearch server on loopback, fetched, checked, started fast and never left behind.

Invariant: an `Engine` that is started answers at `url`; one that is stopped, killed or orphaned has no process left.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tailrace.errors import UserError
from tailrace_local.class_archives import ClassArchives, prepare_archives
from tailrace_local.engine_flags import (
    LOGGING,
    EngineSpec,
    InstanceLayout,
    build_java_arguments,
    build_settings,
    choose_spec,
)
from tailrace_local.engine_security import prepare_security
from tailrace_local.external_engine import ExternalEngine
from tailrace_local.http_probes import get_json, wait_until
from tailrace_local.instances import InstanceDirectory
from tailrace_local.java import Java, find_java, java_for
from tailrace_local.listeners import refuse_open_listeners
from tailrace_local.loopback_ports import refuse_taken_port, some_ports
from tailrace_local.paths import state_directory
from tailrace_local.privileges import choose_privileges, hand_over
from tailrace_local.processes import ChildProcess, Command
from tailrace_local.server_homes import ensure_server_home
from tailrace_local.server_logs import last_meaningful_line
from tailrace_local.toolenvs import Notify, say_nothing

START_TIMEOUT_SECONDS = 120.0
STOP_GRACE_SECONDS = 30.0
"""A stop takes 0.2 s, but 4 s more on the one occasion that it writes the class archive."""


STOPPED_IN_ORDER = 128 + signal.SIGTERM
"""Java's exit status after SIGTERM; after any other end a class archive may be half written."""


class SearchEngine(Protocol):
    """What the laptop cloud needs of an engine, its own or another one."""

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        ...

    def start(self) -> None:
        """Makes sure that it answers. Raises `UserError` where it does not."""

    def stop(self) -> None:
        """Ends what `start()` began; the data stays."""

    def close(self) -> None:
        """`stop()`, and removes what is not the caller's."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


class Engine:
    """One OpenSearch server of this machine; a context manager (`start()` … `close()`).

    Without `directory` it lives in a fresh folder that `close()` removes; with one, its data is kept and found again.
    Without `spec` its version is what `TAILRACE_ENGINE` names. `notify` hears a line before each step that takes long.
    """

    def __init__(
        self,
        spec: EngineSpec | None = None,
        *,
        directory: Path | None = None,
        environ: Mapping[str, str] | None = None,
        notify: Notify = say_nothing,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self.spec = choose_spec(self._environ) if spec is None else spec
        self._directory = directory
        self._notify = notify
        self._fresh: InstanceDirectory | None = None
        self._child: ChildProcess | None = None
        self._archives: ClassArchives | None = None
        self._port = self.spec.port

    @property
    def port(self) -> int:
        """The HTTP port. Raises `UserError` before the first start, unless the spec fixes it."""
        if self._port is None:
            raise UserError("the engine was not started yet, so it has no port")
        return self._port

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, the same over every restart."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def layout(self) -> InstanceLayout:
        """The folders of this server; the log is `layout.log`. Raises `UserError` where it has none."""
        if self._directory is not None:
            return InstanceLayout(self._directory.resolve())
        if self._fresh is None:
            raise UserError("the engine does not run, so it has no folder")
        return InstanceLayout(self._fresh.path)

    @property
    def pid(self) -> int:
        """Process id of the server; 0 before the first start."""
        return self._child.pid if self._child else 0

    def start(self) -> None:
        """Starts the server, unless it runs, and waits until it answers. Fetches it, and Java, on the first use.

        Raises `UserError` where something cannot be fetched, a fixed port is taken, the server does not come up or
        listens on more than loopback.
        """
        if self._child is not None and self._child.is_running():
            return
        self.kill()
        if self._port is not None:
            refuse_taken_port(self._port)
        java = find_java(self._environ, wanted=java_for(self.spec.version), notify=self._notify)
        with_security = self.spec.security is not None
        server = ensure_server_home(self.spec.version, self._environ, self._notify, with_security=with_security)
        if self._directory is not None or self._fresh is not None:
            self._launch(java, server)
            return
        self._fresh = InstanceDirectory("opensearch", state_directory(self._environ) / "run")
        try:
            self._launch(java, server)
        except BaseException:
            self.close()
            raise

    def stop(self) -> None:
        """Stops the server; its data stays, and `start()` finds it again at the same port."""
        if self._child is None:
            return
        self._child.stop(STOP_GRACE_SECONDS)
        if self._archives is not None and self._child.exit_status() == STOPPED_IN_ORDER:
            self._archives.keep(self.layout.new_archive)

    def kill(self) -> None:
        """Ends the server at once (SIGKILL), as a crash would; its data stays."""
        if self._child is not None:
            self._child.kill()

    def restart(self) -> None:
        """Stops the server if it runs and starts it on the same data and the same port."""
        self.stop()
        self.start()

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

    def _launch(self, java: Java, server: Path) -> None:
        self._archives = prepare_archives(state_directory(self._environ) / "cache", java, server)
        self._child = ChildProcess(self._prepare(java, server, self._archives))
        try:
            self._child.start()
            self._await_answer(self._child)
        except BaseException:
            self._child.kill()
            raise

    def _prepare(self, java: Java, server: Path, archives: ClassArchives) -> Command:
        layout = self.layout
        for folder in layout.folders:
            folder.mkdir(parents=True, exist_ok=True)
        for leftover in (layout.ports_file, layout.log, layout.new_archive):
            leftover.unlink(missing_ok=True)
        (layout.config / "opensearch.yml").write_text(self._settings(layout))
        (layout.config / "log4j2.properties").write_text(LOGGING)
        if self.spec.security is not None:
            prepare_security(self.spec.security, layout.config, java.executable, server)
        cached = [path for path in (archives.base, archives.application) if path and path.is_file()]
        privileges = choose_privileges(java.executable, [server / "lib", layout.root, *cached], user=os.geteuid())
        if privileges.user is not None:
            hand_over(layout.root, privileges.user)
        flags = [*privileges.flags, *archives.arguments(layout.new_archive)]
        return Command(
            [*privileges.prefix, java.executable, *flags, *build_java_arguments(self.spec, server, layout)],
            log=layout.log,
            environment={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(layout.root)},
            directory=layout.root,
            user=privileges.user,
            group=privileges.user,
        )

    def _settings(self, layout: InstanceLayout) -> str:
        http_ports = some_ports() if self._port is None else range(self._port, self._port + 1)
        return build_settings(self.spec, layout, http_ports, some_ports())

    def _await_answer(self, child: ChildProcess) -> None:
        layout = self.layout
        wait_until(lambda: self._answers(layout) or not child.is_running(), START_TIMEOUT_SECONDS)
        if not child.is_running() or self._port is None:
            reason = last_meaningful_line(layout.log)
            raise UserError(f"OpenSearch {self.spec.version} did not start: {reason}")
        refuse_open_listeners(child.pid, "OpenSearch")

    def _answers(self, layout: InstanceLayout) -> bool:
        # Only the server's own word for its port: another server may answer at the one that was asked for.
        addresses = layout.ports_file.read_text().split() if layout.ports_file.is_file() else []
        if not addresses:
            return False
        port = int(addresses[0].rpartition(":")[2])
        login = self.spec.security.login if self.spec.security else None
        if get_json(port, "/_cluster/health?wait_for_status=yellow&timeout=1s", login) is None:
            return False
        self._port = port
        return True


def choose_engine(
    spec: EngineSpec | None = None,
    *,
    directory: Path | None = None,
    environ: Mapping[str, str] | None = None,
    notify: Notify = say_nothing,
) -> SearchEngine:
    """The engine at `TAILRACE_OPENSEARCH_URL`, else an `Engine` of this machine; not started yet."""
    variables = os.environ if environ is None else environ
    if url := variables.get("TAILRACE_OPENSEARCH_URL", ""):
        return ExternalEngine(url)
    return Engine(spec, directory=directory, environ=variables, notify=notify)
