"""Traces: where an invocation is sampled, each call to the outside becomes a subsegment of its X-Ray trace.

A datagram to the daemon that Lambda runs beside every function: no SDK, whose own end is announced, and whose import
every cold start would pay. Invariant: a subsegment holds a name, two times and whether the call raised, nothing of
its arguments or results; an invocation that is not sampled sends nothing, and no trace ever fails an invocation.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar, cast

import orjson

TRACE_VARIABLE = "_X_AMZN_TRACE_ID"
DAEMON_VARIABLE = "AWS_XRAY_DAEMON_ADDRESS"
DEFAULT_DAEMON = "127.0.0.1:2000"
HEADER = b'{"format": "json", "version": 1}\n'

ENGINE_CALLS = {
    "bulk": "bulk",
    "read_stored": "settle",
    "read_fields": "mapping",
    "read_shadows": "shadows",
    "ensure_index": "create index",
}
ITEM_CALLS = {"read": "read item"}
LETTER_CALLS = {"put": "dead letter"}
STREAM_CALLS = {"put": "put records"}

Adapter = TypeVar("Adapter")


def traced(inner: Adapter, calls: Mapping[str, str], environment: Mapping[str, str] | None = None) -> Adapter:
    """The adapter itself to whoever uses it; `calls` are its methods that make a subsegment, with the names of those.

    The environment is looked at in each call, since Lambda says anew for each invocation whether it is sampled.
    """
    return cast(Adapter, _Traced(inner, calls, os.environ if environment is None else environment))


class _Traced:
    def __init__(self, inner: object, calls: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self._inner = inner
        self._calls = calls
        self._environment = environment

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        trace = read_trace(self._environment) if name in self._calls else None
        return found if trace is None else self._watch(found, self._calls[name], trace)

    def _watch(self, call: Callable[..., Any], name: str, trace: tuple[str, str]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            started, has_raised = time.time(), True
            try:
                result = call(*arguments, **options)
                has_raised = False
                return result
            finally:
                self._send(render_subsegment(name, trace, started, time.time(), has_raised))

        return watched

    def _send(self, document: bytes) -> None:
        host, _, port = self._environment.get(DAEMON_VARIABLE, DEFAULT_DAEMON).rpartition(":")
        with suppress(OSError, ValueError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
            daemon.sendto(HEADER + document, (host, int(port)))


def read_trace(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Trace and parent of the invocation that runs (`Root=…;Parent=…;Sampled=1`); None where it is not sampled."""
    text = environment.get(TRACE_VARIABLE, "")
    if "Sampled=1" not in text:
        return None
    parts = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    return (parts["Root"], parts["Parent"]) if parts.get("Root") and parts.get("Parent") else None


def render_subsegment(name: str, trace: tuple[str, str], started: float, ended: float, has_raised: bool) -> bytes:
    """X-Ray's document of one call that went outside; times in seconds since the epoch."""
    document = {
        "type": "subsegment",
        "namespace": "remote",
        "id": os.urandom(8).hex(),
        "trace_id": trace[0],
        "parent_id": trace[1],
        "name": name,
        "start_time": started,
        "end_time": ended,
        "fault": has_raised,
    }
    return orjson.dumps(document)
