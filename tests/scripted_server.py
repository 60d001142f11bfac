"""A loopback HTTP server that answers from a script, byte by byte, as no proper server would."""

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

CLOSE, RESET = "close", "reset"
CREATED = b'{"errors":false,"items":[{"index":{"status":201}}]}'


class Request(NamedTuple):
    """What arrived: `line` is the request line, header names are lower-cased; `connection` counts from 1."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Early(tuple):
    """Steps that are taken when the head of a request is there, without reading its body."""


def answer(body=CREATED, status=200, *headers):
    """The steps of a proper answer."""
    head = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *headers]
    return ["\r\n".join(head).encode() + b"\r\n\r\n" + body]


@dataclass
class ScriptedServer:
    """Each request takes the next entry of `script`: bytes are sent, numbers are seconds to wait, CLOSE and RESET end
    the connection. `requests` holds what arrived. When the script is used up, answers are proper.
    """

    script: list = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in self._sockets:
            _end(each)
        for thread in self._threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection, self.connections))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection, number):
        with connection, suppress(OSError):
            while self._serve_request(connection, number):
                pass

    def _serve_request(self, connection, number):
        received = _receive(connection, b"", lambda got: b"\r\n\r\n" in got)
        if received is None:
            return False
        head, _, body = received.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        steps = self.script.pop(0) if self.script else answer()
        if not isinstance(steps, Early):
            length = int(headers.get("content-length", 0))
            body = _receive(connection, body, lambda got: len(got) >= length)
        self.requests.append(Request(line, headers, body or b"", number))
        return all(self._take(connection, step) for step in steps)

    def _take(self, connection, step):
        if isinstance(step, bytes):
            connection.sendall(step)
        elif step == CLOSE:
            return False
        elif step == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        else:
            return not self._stopped.wait(step)
        return True


def _receive(connection, received, is_enough):
    while not is_enough(received):
        more = connection.recv(65_536)
        if not more:
            return None
        received += more
    return received


def _end(sock):
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
