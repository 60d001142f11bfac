"""The fault proxy: HTTP on loopback in front of a real engine, with somebody who may interfere with every exchange.

Invariant: without interference a request reaches the engine as it came, and its answer the client; an exchange that is
not over is known to the proxy, so that `await_quiet` waits for writes that land late.
"""

import contextlib
import gzip
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from chaos.loopback import LoopbackServer

UPSTREAM_SECONDS = 60.0
QUIET_SECONDS = 60.0
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, on, 0 s: closing sends RST instead of FIN
BULK_PATH = "/_bulk"


class Answer(NamedTuple):
    """An HTTP answer as the proxy gives it. `headers` are the ones beside type and length."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Exchange:
    """One request of the client and whatever becomes of it. `body` is not compressed any more."""

    def __init__(self, handler: "_Handler", body: bytes) -> None:
        self._handler = handler
        self.method = str(handler.command)
        self.path = str(handler.path)
        self.body = body

    @property
    def is_bulk(self) -> bool:
        """Whether the request carries bulk actions."""
        return self.path.startswith(BULK_PATH)

    def forward(self, body: bytes | None = None) -> Answer:
        """The engine's answer to the request, or to the same one with another body. Raises OSError or HTTPException."""
        return self._handler.ask_upstream(self.method, self.path, self.body if body is None else body)

    def reply(self, answer: Answer, claimed_length: int | None = None, sent_bytes: int | None = None) -> None:
        """Answer the client, if need be with a false length, or with only so many bytes; then the connection ends."""
        self._handler.send_answer(answer, claimed_length, sent_bytes)

    def reset(self) -> None:
        """End the connection with RST, as a host that dies does."""
        self._handler.reset_connection()


Interference = Callable[[Exchange], None]


def pass_on(exchange: Exchange) -> None:
    """No interference. An engine that is down looks to the client as if there were no proxy."""
    try:
        answer = exchange.forward()
    except (OSError, http.client.HTTPException):
        exchange.reset()
    else:
        exchange.reply(answer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def setup(self) -> None:
        super().setup()
        self._upstream: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        proxy = self.server.proxy
        with proxy.exchange_under_way():
            try:
                proxy.interfere(Exchange(self, body))
            except Exception as error:  # noqa: BLE001 - a mistake of ours must not pass for a fault
                proxy.mistakes.append(error)
                self.reset_connection()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - the names that http.server looks for

    def ask_upstream(self, method: str, path: str, body: bytes) -> Answer:
        if self._upstream is None:
            address = urlsplit(self.server.proxy.upstream)
            self._upstream = http.client.HTTPConnection(str(address.hostname), address.port, timeout=UPSTREAM_SECONDS)
        headers = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
        try:
            self._upstream.request(method, path, body, headers)
            response = self._upstream.getresponse()
            return Answer(response.status, response.read(), response.headers.get_content_type())
        except (OSError, http.client.HTTPException):
            self._upstream.close()
            raise

    def send_answer(self, answer: Answer, claimed_length: int | None, sent_bytes: int | None) -> None:
        length = len(answer.body) if claimed_length is None else claimed_length
        fields = [("Content-Type", answer.content_type), ("Content-Length", str(length)), *answer.headers]
        head = f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, 'Unknown')}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
        body = b"" if self.command == "HEAD" else answer.body[:sent_bytes]
        self.close_connection = claimed_length is not None or sent_bytes is not None
        try:
            self.connection.sendall(head.encode("ascii") + body)
        except OSError:  # the client has given up waiting
            self.close_connection = True

    def reset_connection(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        # The streams hold the socket open until they are closed, too.
        for each in (self.rfile, self.wfile, self.connection):
            with contextlib.suppress(OSError):
                each.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: "FaultProxy"

    def handle_error(self, *_: Any) -> None:
        """A client that is gone is no news."""

    def shutdown_request(self, request: Any) -> None:
        """Close at once: a shutdown would turn a reset into an orderly end."""
        self.close_request(request)


class FaultProxy(LoopbackServer["_Server"]):
    """The proxy in front of the engine at `upstream`; a context manager. `interfere` is asked for every exchange."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.interfere: Interference = pass_on
        self.mistakes: list[BaseException] = []
        self._under_way = 0
        self._changed = threading.Condition()
        super().__init__(_Server(("127.0.0.1", 0), _Handler), "fault proxy")
        self._server.proxy = self

    @contextlib.contextmanager
    def exchange_under_way(self) -> Iterator[None]:
        """Known as under way for as long as it lasts."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def await_quiet(self) -> None:
        """Return when no exchange is under way, late ones included. Raises TimeoutError, and what went wrong here."""
        until = time.monotonic() + QUIET_SECONDS
        with self._changed:
            if not self._changed.wait_for(lambda: self._under_way == 0, until - time.monotonic()):
                raise TimeoutError("an exchange through the fault proxy does not end")
        if self.mistakes:
            raise self.mistakes.pop()
