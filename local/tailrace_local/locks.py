"""One maker at a time: what two processes might make at once is made under a file lock.

Invariant: the lock is the kernel's (`flock`), so it is gone with its holder, however that one ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tailrace.errors import UserError


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds the lock file `path` (made if absent, never removed) and waits for whoever holds it now.

    Raises `UserError` where it cannot be made: it is the first thing written in its folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a")
    except OSError as error:
        reason = f"cannot write below {path.parent}: {error.strerror}"
        raise UserError(f"{reason}; set TAILRACE_HOME to a folder of your own") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def try_lock(path: Path) -> IO[str] | None:
    """The held lock file, to be closed by the caller; None where another process holds it."""
    lock = path.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
