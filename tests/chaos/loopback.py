"""A server on this machine's loopback, in a thread of its own for as long as a block lasts.

Invariant: after the block the thread has ended and the port is free.
"""

import threading
from socketserver import BaseServer
from typing import Generic, Self, TypeVar

Server = TypeVar("Server", bound=BaseServer)


class LoopbackServer(Generic[Server]):
    """A context manager around a server that is bound already; `name` is its thread's."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,), name=name)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
