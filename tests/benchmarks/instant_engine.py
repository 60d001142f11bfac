"""Stands for an engine that takes everything at once, so that a million records take minutes and not an hour.

Invariant: it answers as many results as actions were sent, all of them created, and keeps nothing.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

RESULT = b'{"index":{"status":201}}'


class InstantEngine(BaseHTTPRequestHandler):
    """One connection. Every alias exists, no document is stored, every bulk action succeeds."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        """The alias exists."""
        self._answer(b"")

    def do_GET(self) -> None:
        """Nothing is known of the fields."""
        self._answer(b"{}")

    def do_PUT(self) -> None:
        """The index is created."""
        self._body()
        self._answer(b'{"acknowledged":true}')

    def do_POST(self) -> None:
        """A bulk request: a result for each pair of lines."""
        self._answer(bulk_answer(self._body().count(b"\n") // 2))

    def log_message(self, *_: object) -> None:
        """Nothing is said about a request."""

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@cache
def bulk_answer(count: int) -> bytes:
    """The answer to so many actions."""
    return b'{"errors":false,"items":[%b]}' % b",".join([RESULT] * count)


@contextmanager
def instant_engine() -> Iterator[str]:
    """Its URL, on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), InstantEngine)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, name="instant engine", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
