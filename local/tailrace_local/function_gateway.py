"""The way from the emulator to the functions of the laptop cloud: a loopback server, and what calls it.

The emulator's Step Functions invoke the emulator's own Lambda functions. So each function is created there as well, as
a custom runtime of a few lines that hands every event over to this server and gives back what the real function made
of it, with the error's own type, which retries and catches go by. Invariant: only who knows the token is served.
"""

from __future__ import annotations

import hmac
import io
import secrets
import sys
import zipfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import orjson

from tailrace.errors import TailraceError
from tailrace_local.functions import LambdaFunction

OUTCOME_HEADER = "Tailrace-Outcome"
_BOOTSTRAP = f"""#!/bin/sh
exec '{sys.executable}' -I -S "$LAMBDA_TASK_ROOT/forward.py"
"""
_FORWARD = f"""
import os, urllib.request
invocations = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
while True:
    with opener.open(invocations + "next") as event:
        request_id, body = event.headers["Lambda-Runtime-Aws-Request-Id"], event.read()
    with opener.open(urllib.request.Request(os.environ["GATEWAY_URL"], body)) as answer:
        outcome, made = answer.headers["{OUTCOME_HEADER}"], answer.read()
    opener.open(urllib.request.Request(invocations + request_id + "/" + outcome, made)).close()
"""


class FunctionGateway:
    """Serves `functions`, by their names on AWS, from `start()` to `close()`."""

    def __init__(self, functions: Mapping[str, LambdaFunction]) -> None:
        self._server = _Server({each.spec.name: each for each in functions.values()})
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), name="function gateway", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """Serve no more; what is under way is left to itself."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def create_functions(self, client: Any, role: str) -> None:
        """Create each function in the emulator; `client` is a boto3 Lambda client."""
        for name, function in self._server.functions.items():
            client.create_function(
                FunctionName=name,
                Runtime="provided.al2023",
                Role=role,
                Handler="bootstrap",
                Code={"ZipFile": _package()},
                Timeout=int(function.spec.timeout_seconds),
                Environment={"Variables": {"GATEWAY_URL": self._server.url(name)}},
            )


def _package() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        for name, text in (("bootstrap", _BOOTSTRAP), ("forward.py", _FORWARD)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            package.writestr(entry, text)
    return archive.getvalue()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, functions: Mapping[str, LambdaFunction]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.functions = functions
        self.token = secrets.token_urlsafe(16)

    def url(self, function: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{self.token}/{function}"

    def invoke(self, path: str, body: bytes) -> tuple[str, bytes] | None:
        """The outcome by its name in the Runtime API, and its body; None for who may not ask."""
        _, _, rest = path.partition("/")
        token, _, name = rest.partition("/")
        if not hmac.compare_digest(token, self.token) or name not in self.functions:
            return None
        try:
            result = self.functions[name].invoke(body)
        except TailraceError as error:
            return "error", orjson.dumps({"errorType": "Lambda.TooManyRequestsException", "errorMessage": str(error)})
        return "response" if result.function_error is None else "error", result.payload


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = self.server.invoke(self.path, body)
        self.send_response(200 if answer else 403)
        outcome, made = answer or ("error", b"")
        self.send_header(OUTCOME_HEADER, outcome)
        self.send_header("Content-Length", str(len(made)))
        self.end_headers()
        self.wfile.write(made)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: events must not reach a log."""
