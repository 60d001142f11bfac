"""A server before OpenSearch that passes requests on, or answers them by script, and keeps a trail of what it saw.

Invariant: it listens on loopback, and ends with its `with` block.
"""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Answer = tuple[int, bytes]
Script = Callable[[str, str, bytes], Answer | None]


class Trail(ThreadingHTTPServer):
    """`calls` are the methods and paths seen; `script` may answer a request in the place of who is upstream.

    Nobody upstream answers everything with an empty object.
    """

    daemon_threads = True

    def __init__(self, upstream: str | None, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.script = script
        self.calls: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Trail

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.calls.append((self.command, self.path))
        status, content = self.server.script(self.command, self.path, body) or self._pass_on(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _pass_on(self, body: bytes) -> Answer:
        if self.server.upstream is None:
            return 200, b"{}"
        connection = http.client.HTTPConnection(urlsplit(self.server.upstream).netloc, timeout=30)
        kept = {name: self.headers[name] for name in ("Content-Type", "Content-Encoding") if name in self.headers}
        try:
            connection.request(self.command, self.path, body, kept)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815


@contextmanager
def trail(upstream: str | None = None, script: Script = lambda method, path, body: None) -> Iterator[Trail]:
    """A trail on a free port, in a thread of its own."""
    server = Trail(upstream, script)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
