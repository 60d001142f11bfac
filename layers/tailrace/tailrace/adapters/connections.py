"""Connections whose calls end in time, however slowly the other side answers.

requests bounds each wait on a socket and not the call, so a server that sends a byte now and then holds it for ever.
Here every read of an answer is given what is left of the call's time. Invariant: from the moment that the name is
resolved no call outlasts its timeout, and a connection that broke, or whose answer was cut off, is never used again.
"""

import io
import socket
import ssl
import time
from functools import partial
from http.client import HTTPResponse as PlainResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse, HTTPResponse

CONNECT_TIMEOUT_SECONDS = 3.05  # a little more than the 3 s after which TCP asks a second time


class StaleConnectionError(ConnectionResetError):
    """A connection that had answered before broke before this answer began: the server had closed it meanwhile."""


def is_stale(error: Exception) -> bool:
    """Whether a call failed on a connection that was kept too long, so that a new one may do."""
    inner = error.args[0] if error.args else None
    return any(isinstance(cause, StaleConnectionError) for cause in getattr(inner, "args", ()))


class DeadlineAdapter(HTTPAdapter):
    """Sends through connections that keep to the whole of a timeout. Answers have a status and `raw`, no cookies."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """As requests has it, with pools of timed connections."""
        super().init_poolmanager(*arguments, **options)
        _use_timed_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """As requests has it, with pools of timed connections."""
        manager = super().proxy_manager_for(proxy, **options)
        _use_timed_pools(manager)
        return manager

    def build_response(self, req: requests.PreparedRequest, resp: BaseHTTPResponse) -> requests.Response:
        """The answer without what nobody here reads: requests would look for cookies, and spend a tenth of a call."""
        response = requests.Response()
        response.status_code = resp.status
        response.raw = resp
        return response


def _use_timed_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _TimedPool, "https": _TimedSecurePool}


class _TimedConnection(HTTPConnection):
    _has_answered = False

    def connect(self) -> None:
        limit, began = float(self.timeout or 0), time.monotonic()
        self.timeout = min(limit, CONNECT_TIMEOUT_SECONDS)
        self._has_answered = False
        try:
            super().connect()
        finally:
            self.timeout = limit
        self.sock.settimeout(max(limit - (time.monotonic() - began), 0.001))

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        deadline = time.monotonic() + float(self.timeout or 0)
        self.response_class = partial(_build_timed_response, deadline)  # type: ignore[assignment]
        try:
            response = super().getresponse()
        except (ConnectionError, ssl.SSLError) as error:
            if self._has_answered:
                raise StaleConnectionError(str(error)) from error
            raise
        self._has_answered = True
        return response


class _TimedSecureConnection(_TimedConnection, HTTPSConnection):
    """The same over TLS."""


class _TimedPool(HTTPConnectionPool):
    ConnectionCls = _TimedConnection


class _TimedSecurePool(HTTPSConnectionPool):
    ConnectionCls = _TimedSecureConnection


def _build_timed_response(deadline: float, sock: socket.socket, **options: Any) -> PlainResponse:
    return PlainResponse(_TimedSocket(sock, deadline), **options)  # type: ignore[arg-type]


class _TimedSocket:
    """What `http.client` wants of a socket: a file to read the answer from."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReads(self._sock, self._deadline))


class _TimedReads(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
