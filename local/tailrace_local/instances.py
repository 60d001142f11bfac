"""Folders of running servers below `TAILRACE_HOME/run`, which no crash leaves behind for good.

Each is held by a file lock while its starter lives; whoever makes the next one removes those that nobody holds.

Invariant: a folder whose lock is held is never touched by another process.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import IO

from tailrace_local.locks import exclusive_lock, try_lock

LOCK = ".lock"


class InstanceDirectory:
    """A fresh folder `path`, named `<prefix>-<random>`, until `remove()`."""

    def __init__(self, prefix: str, run: Path) -> None:
        with exclusive_lock(run / f"{prefix}.lock"):
            _sweep(prefix, run)
            self.path = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=run))
            self.path.chmod(0o755)
            self._lock: IO[str] | None = try_lock(self.path / LOCK)

    def remove(self) -> None:
        """Removes the folder and lets go of it; harmless when done twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _sweep(prefix: str, run: Path) -> None:
    for leftover in run.glob(f"{prefix}-*/"):
        lock = try_lock(leftover / LOCK)
        if lock is not None:
            with lock:
                shutil.rmtree(leftover, ignore_errors=True)
