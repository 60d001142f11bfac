"""Asking a server whether it is there.

Invariant: a loopback server is asked directly, whatever proxy the environment names.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Any

POLL_INTERVAL_SECONDS = 0.05
PROBE_TIMEOUT_SECONDS = 5.0


def get_json(port: int, path: str, login: tuple[str, str] | None = None) -> Any | None:
    """The JSON answer of `http://127.0.0.1:<port><path>`; None where there is none, or its status is not 200.

    `login` is a user's name and password, where the server asks for them.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers=_login_header(login) if login else {})
        response = connection.getresponse()
        return json.load(response) if response.status == 200 else None
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _login_header(login: tuple[str, str]) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(':'.join(login).encode()).decode()}"}


def wait_until(is_so: Callable[[], bool], timeout_seconds: float) -> bool:
    """Asks again and again, 20 times a second, until `is_so()`; False where the timeout came first."""
    deadline = time.monotonic() + timeout_seconds
    while not is_so():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_INTERVAL_SECONDS)
    return True
