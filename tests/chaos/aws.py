"""The two calls of AWS that the indexer makes, on loopback: PutObject for dead letters, GetItem to settle ties.

Invariant: a letter is there before its PUT is answered.
"""

import base64
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chaos.loopback import LoopbackServer

ReadItem = Callable[[str, Any], Any]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def do_PUT(self) -> None:
        _, _bucket, key = self.path.split("?")[0].split("/", 2)
        self.server.letters[key] = self._body()
        self._answer(b"")

    def do_POST(self) -> None:
        asked = json.loads(self._body())
        item = self.server.read_item(asked["TableName"], asked["Key"])
        self._answer(json.dumps({"Item": item} if item else {}, default=_base64).encode())

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    letters: dict[str, bytes]
    read_item: ReadItem

    def handle_error(self, *_: Any) -> None:
        """A client that is killed is no news."""


class LoopbackAws(LoopbackServer["_Server"]):
    """A context manager for the endpoint of both services; `letters` holds what was stored, by key."""

    def __init__(self, letters: dict[str, bytes], read_item: ReadItem) -> None:
        super().__init__(_Server(("127.0.0.1", 0), _Handler), "loopback aws")
        self._server.letters, self._server.read_item = letters, read_item


def _base64(value: Any) -> str:
    return base64.b64encode(value).decode()
