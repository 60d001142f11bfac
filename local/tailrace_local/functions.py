"""Lambda functions on this machine: the real runtime client over a function's folder, one process an instance.

Invariant: an invocation has exactly one result; after a crash or a timeout its process is gone, and the next
invocation starts a fresh one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from uuid import uuid4

import orjson

from tailrace.errors import TailraceError
from tailrace_local.processes import ChildProcess, Command
from tailrace_local.runtime_api import (
    MAX_PAYLOAD_BYTES,
    Invocation,
    Request,
    RuntimeApi,
    RuntimeGoneError,
    RuntimeSilenceError,
)

INIT_SECONDS = 30.0  # Lambda allows 10 s; a laptop may be busy
LOG_TAIL_BYTES = 4096  # as Lambda's own log tail
INSTANCES = 10  # at most, a function; further invocations wait
SIGNAL_EXIT_BASE = 128


class ThrottledError(TailraceError):
    """Every instance that `ReservedConcurrentExecutions` allows is busy."""


class RequestTooLargeError(TailraceError):
    """The event is larger than a synchronous invocation may carry."""


class FunctionStoppedError(TailraceError):
    """The function was stopped before or while it was invoked."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What a function needs to run; `environment` is built for the address of an instance's Runtime API."""

    name: str
    arn: str
    command: tuple[str, ...]
    directory: Path
    environment: Callable[[str], Mapping[str, str]]
    logs: Path
    timeout_seconds: float = 3.0
    reserved_concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """What an invocation came to: JSON bytes, `Unhandled` where the function failed, the tail of what it printed."""

    payload: bytes
    function_error: str | None = None
    log: str = ""
    duration_ms: float = 0.0


class _Instance:
    def __init__(self, spec: FunctionSpec, log: Path) -> None:
        self.spec = spec
        self.log = log
        self.api = RuntimeApi()
        self.is_usable = True
        self._is_initialised = False
        self.log.unlink(missing_ok=True)
        environment = spec.environment(self.api.address)
        self.process = ChildProcess(Command(spec.command, log, environment, spec.directory))
        self._watch = Thread(target=self._watch_for_the_end, name=f"{spec.name} watch", daemon=True)

    def start(self) -> None:
        self.process.start()
        self._watch.start()

    def invoke(self, payload: bytes) -> InvokeResult:
        started, log_start = time.monotonic(), self._log_size() if self._is_initialised else 0
        request_id = str(uuid4())
        try:
            result = self._converse(request_id, payload)
        except BaseException:
            self.is_usable = False
            raise
        spent = (time.monotonic() - started) * 1000
        return InvokeResult(result.payload, result.function_error, self._log_tail(log_start), spent)

    def end(self) -> None:
        self.is_usable = False
        self.process.kill()
        if self._watch.ident is not None:
            self._watch.join()
        self.api.close()

    def _watch_for_the_end(self) -> None:
        self.process.wait()
        self.api.client_ended()

    def _converse(self, request_id: str, payload: bytes) -> InvokeResult:
        seconds = self.spec.timeout_seconds if self._is_initialised else INIT_SECONDS
        try:
            request = self.api.receive(time.time() + seconds)
            if request.name != "next":
                return self._failed(request)
            self._is_initialised = True
            seconds = self.spec.timeout_seconds
            return self._hand_over(request, request_id, payload, time.time() + seconds)
        except RuntimeSilenceError:
            return self._broken(
                "Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
            )
        except RuntimeGoneError:
            return self._broken("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited {self._ending()}")

    def _hand_over(self, request: Request, request_id: str, payload: bytes, deadline: float) -> InvokeResult:
        trace_id = f"Root=1-{int(deadline):08x}-{request_id.replace('-', '')[:24]};Sampled=0"
        self.api.hand_over(request, Invocation(request_id, payload, self.spec.arn, deadline, trace_id))
        answer = self.api.receive(deadline)
        if answer.name != "response":
            return self._failed(answer)
        if self.api.accept(answer):
            return InvokeResult(answer.body)
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes)."
        return self._broken("Function.ResponseSizeTooLarge", message)

    def _failed(self, answer: Request) -> InvokeResult:
        # After an error of the handler the client goes on; after one of the import it ends.
        self.is_usable = answer.name == "error"
        self.api.accept(answer)
        return InvokeResult(answer.body, "Unhandled")

    def _broken(self, kind: str, message: str) -> InvokeResult:
        self.is_usable = False
        return InvokeResult(orjson.dumps({"errorType": kind, "errorMessage": message}), "Unhandled")

    def _ending(self) -> str:
        status = self.process.exit_status() or 0
        if status > SIGNAL_EXIT_BASE:
            return f"with error: signal {status - SIGNAL_EXIT_BASE}"
        return f"with error: exit status {status}" if status else "without providing a reason"

    def _log_size(self) -> int:
        return self.log.stat().st_size

    def _log_tail(self, start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(max(start, self._log_size() - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")


class LambdaFunction:
    """One function and its instances; instances are started when needed and kept. Safe to use from many threads."""

    def __init__(self, spec: FunctionSpec) -> None:
        self.spec = spec
        self._changed = Condition()
        self._idle: list[_Instance] = []
        self._all: list[_Instance] = []
        self._started = 0
        self._is_closed = False

    def invoke(self, event: object) -> InvokeResult:
        """Invoke with an event: JSON bytes as they are, anything else encoded once.

        Raises `ThrottledError`, `RequestTooLargeError`, `FunctionStoppedError`; a failing function is a result.
        """
        payload = event if isinstance(event, bytes) else orjson.dumps(event)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise RequestTooLargeError(f"the event has {len(payload)} bytes; Lambda takes {MAX_PAYLOAD_BYTES}")
        instance = self._take()
        try:
            return instance.invoke(payload)
        finally:
            self._give_back(instance)

    def warm_up(self) -> None:
        """Start an instance now, without waiting for it, so that the first invocation finds it under way."""
        self._give_back(self._take())

    def close(self) -> None:
        """Kill every instance; an invocation that is under way ends as a crash."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            instances = list(self._all)
        for instance in instances:
            instance.process.kill()
        self._end_idle()

    def _take(self) -> _Instance:
        with self._changed:
            while not self._is_closed:
                if self._idle:
                    return self._idle.pop()
                if len(self._all) < self._limit():
                    break
                if self.spec.reserved_concurrency is not None:
                    raise ThrottledError(f"{self.spec.name}: reserved concurrency is used up")
                self._changed.wait()
            if self._is_closed:
                raise FunctionStoppedError(f"{self.spec.name} was stopped")
            instance = self._new()
        return self._start(instance)

    def _limit(self) -> int:
        reserved = self.spec.reserved_concurrency
        return INSTANCES if reserved is None else reserved

    def _new(self) -> _Instance:
        self._started += 1
        instance = _Instance(self.spec, self.spec.logs / f"{self.spec.name}-{self._started}.log")
        self._all.append(instance)
        return instance

    def _start(self, instance: _Instance) -> _Instance:
        try:
            instance.start()
        except BaseException:
            instance.is_usable = False
            self._give_back(instance)
            raise
        return instance

    def _give_back(self, instance: _Instance) -> None:
        with self._changed:
            stays = instance.is_usable and not self._is_closed
            if stays:
                self._idle.append(instance)
            else:
                self._all.remove(instance)
            self._changed.notify()
        if not stays:
            instance.end()

    def _end_idle(self) -> None:
        with self._changed:
            idle, self._idle = self._idle, []
            self._all = [instance for instance in self._all if instance not in idle]
        for instance in idle:
            instance.end()
