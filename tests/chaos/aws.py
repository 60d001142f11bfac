"""The two calls of AWS that the indexer makes, on loopback: PutObject for dead letters, GetItem to settle ties.

Invariant: a letter is there before its PUT is answered.
"""

import base64
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

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


class LoopbackAws:
    """A context manager; `letters` holds what was stored, by key."""

    def __init__(self, letters: dict[str, bytes], read_item: ReadItem) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.letters, self._server.read_item = letters, read_item
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="loopback aws")

    @property
    def url(self) -> str:
        """The endpoint of both services."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _base64(value: Any) -> str:
    return base64.b64encode(value).decode()
