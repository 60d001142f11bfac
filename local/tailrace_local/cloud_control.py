"""How another process asks a running laptop cloud: a loopback HTTP server with two verbs, and its client.

`GET /status` answers what runs; `POST /invoke/<function>` takes an event and answers what the function made of it.

Invariant: it listens on loopback and answers only who knows the token of the state file.
"""

from __future__ import annotations

import hmac
import http.client
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from tailrace.errors import TailraceError, UserError
from tailrace_local.cloud_state import CloudState

TOKEN_HEADER = "Tailrace-Token"
CLIENT_TIMEOUT_SECONDS = 1000.0  # a function may take 15 minutes

Answer = Callable[[str, bytes], Any]


class ControlServer(ThreadingHTTPServer):
    """Serves `answer(path, body)` as JSON to whoever sends the token. `serve_forever()` in the caller's thread."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Answer, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.token = token

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: ControlServer

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: events must not reach a log."""

    def _serve(self, body: bytes) -> None:
        if not hmac.compare_digest(self.headers.get(TOKEN_HEADER, ""), self.server.token):
            self._reply(403, {"error": "wrong token"})
            return
        try:
            self._reply(200, self.server.answer(self.path, body))
        except UserError as error:
            self._reply(400, {"error": str(error)})
        except TailraceError as error:
            self._reply(500, {"error": str(error)})

    def _reply(self, status: int, content: Any) -> None:
        body = orjson.dumps(content)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def ask(state: CloudState, path: str, body: bytes | None = None) -> Any:
    """Ask a running cloud. Raises `UserError` for what it refuses, `TailraceError` where it fails or is gone."""
    connection = http.client.HTTPConnection(state.control, timeout=CLIENT_TIMEOUT_SECONDS)
    try:
        connection.request("GET" if body is None else "POST", path, body, {TOKEN_HEADER: state.token})
        response = connection.getresponse()
        content = orjson.loads(response.read())
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as error:
        raise TailraceError(f"the laptop cloud does not answer ({type(error).__name__})") from error
    finally:
        connection.close()
    if response.status == 200:
        return content
    raise (UserError if response.status == 400 else TailraceError)(content["error"])
