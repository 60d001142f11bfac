"""The Lambda Runtime API on a loopback socket, for the one runtime client that an instance of a function has.

There is no server thread: a runtime client works strictly in turns (ask for the next invocation, answer it, ask again),
so whoever invokes the function serves its requests meanwhile, under one deadline.

Invariant: a waiting call ends with a request, at the deadline, or at the client's end; it never polls.
"""

from __future__ import annotations

import http.client
import selectors
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader

VERSION = "/2018-06-01/runtime"
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # Lambda quota: 6 MB each for a synchronous request and its response
REASONS = {200: "OK", 202: "Accepted", 404: "Not Found", 413: "Payload Too Large"}


class RuntimeSilenceError(Exception):
    """The runtime client sent nothing before the deadline."""


class RuntimeGoneError(Exception):
    """The runtime client's process has ended, or it closed its connection."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event on its way into the function; `deadline` is in epoch seconds."""

    request_id: str
    payload: bytes
    function_arn: str
    deadline: float
    trace_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """What the runtime client asked for: `name` is `next`, `response`, `error` or `init/error`."""

    name: str
    body: bytes
    connection: _Connection


class _Connection:
    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.reader: BufferedReader = sock.makefile("rb")

    def read(self, deadline: float) -> Request | None:
        self.sock.settimeout(max(0.001, deadline - time.time()))
        line = self.reader.readline(65536).split()
        if len(line) != 3:
            return None
        headers = http.client.parse_headers(self.reader)
        if headers.get("Expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(_name(line[1].decode("latin-1")), self._read_body(headers), self)

    def reply(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        lines = [f"HTTP/1.1 {status} {REASONS[status]}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.sock.sendall("\r\n".join([*lines, "\r\n"]).encode("latin-1") + body)

    def close(self) -> None:
        self.reader.close()
        self.sock.close()

    def _read_body(self, headers: http.client.HTTPMessage) -> bytes:
        if "chunked" in headers.get("Transfer-Encoding", "").lower():
            return b"".join(iter(self._read_chunk, b""))
        return self.reader.read(int(headers.get("Content-Length", "0")))

    def _read_chunk(self) -> bytes:
        size = int(self.reader.readline(1024).split(b";")[0], 16)
        chunk = self.reader.read(size)
        self.reader.readline(1024)
        return chunk


def _name(path: str) -> str:
    if path == f"{VERSION}/init/error":
        return "init/error"
    if path == f"{VERSION}/invocation/next":
        return "next"
    name = path.rpartition("/")[2]
    return name if path.startswith(f"{VERSION}/invocation/") and name in ("response", "error") else ""


class RuntimeApi:
    """Serves one runtime client. `address` is what belongs into `AWS_LAMBDA_RUNTIME_API`.

    `client_ended()` may be called from any thread: it wakes a waiting `receive`.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._alarm, self._bell = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._alarm, selectors.EVENT_READ)
        self._connections: list[_Connection] = []

    @property
    def address(self) -> str:
        """Host and port."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def client_ended(self) -> None:
        """Say that the runtime client's process has ended."""
        self._bell.send(b"x")

    def receive(self, deadline: float) -> Request:
        """The client's next request. Raises `RuntimeSilenceError` at the deadline (epoch s), `RuntimeGoneError`."""
        while True:
            ready = self._selector.select(max(0.0, deadline - time.time()))
            if not ready:
                raise RuntimeSilenceError
            # Requests come before the alarm: a client may post its last word and end.
            for key, _ in sorted(ready, key=lambda item: item[0].fileobj is self._alarm):
                if (request := self._serve(key, deadline)) is not None:
                    return request

    def hand_over(self, request: Request, invocation: Invocation) -> None:
        """Answer a `next` with an invocation. Raises `RuntimeGoneError`."""
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
            "Lambda-Runtime-Trace-Id": invocation.trace_id,
        }
        self._reply(request, 200, headers, invocation.payload)

    def accept(self, request: Request) -> bool:
        """Acknowledge a `response` or an error; false (and 413 to the client) where its body is over the quota."""
        fits = len(request.body) <= MAX_PAYLOAD_BYTES
        self._reply(request, 202 if fits else 413, {"Content-Type": "application/json"}, b'{"status":"OK"}')
        return fits

    def close(self) -> None:
        """Close every socket; the client's waiting `next` then fails."""
        for connection in self._connections:
            connection.close()
        self._selector.close()
        for sock in (self._listener, self._alarm, self._bell):
            sock.close()

    def _serve(self, key: selectors.SelectorKey, deadline: float) -> Request | None:
        if key.fileobj is self._alarm:
            raise RuntimeGoneError
        if key.fileobj is self._listener:
            self._connect()
            return None
        return self._read(key.data, deadline)

    def _connect(self) -> None:
        connection = _Connection(self._listener.accept()[0])
        self._connections.append(connection)
        self._selector.register(connection.sock, selectors.EVENT_READ, connection)

    def _read(self, connection: _Connection, deadline: float) -> Request | None:
        try:
            request = connection.read(deadline)
        except TimeoutError:
            raise RuntimeSilenceError from None
        except (OSError, ValueError, http.client.HTTPException):
            request = None
        if request is None:
            self._drop(connection)
        elif not request.name:
            self._reply(request, 404, {}, b"")
            return None
        return request

    def _drop(self, connection: _Connection) -> None:
        self._selector.unregister(connection.sock)
        self._connections.remove(connection)
        connection.close()

    @staticmethod
    def _reply(request: Request, status: int, headers: Mapping[str, str], body: bytes) -> None:
        try:
            request.connection.reply(status, headers, body)
        except OSError:
            raise RuntimeGoneError from None
