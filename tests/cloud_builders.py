"""A home of its own for the laptop cloud, and an engine that only says yes, for tests that need no index."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tailrace_local.paths import state_directory

SHARED = ("tools", "engines", "maven", "cache")


def link_home(home: Path) -> Path:
    """A TAILRACE_HOME with its own `run`, but with the tools that are installed already."""
    for name in SHARED:
        (state_directory() / name).mkdir(parents=True, exist_ok=True)
        (home / name).symlink_to(state_directory() / name)
    return home


class _Yes(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def polite_engine():
    """The URL of a server that answers every GET with success."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Yes)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
