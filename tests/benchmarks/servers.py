"""The engine that the sections share, started by the first that needs it.

Invariant: every section that asks for it gets the same started engine, and it is gone when the benchmarks are left.
"""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tailrace_local.engine import SearchEngine, choose_engine


class Servers:
    """A context manager; `engine` starts on first use."""

    def __init__(self) -> None:
        self._running = ExitStack()
        self._engine: SearchEngine | None = None

    @property
    def engine(self) -> SearchEngine:
        """The engine of this machine, or the one of TAILRACE_OPENSEARCH_URL. Raises UserError."""
        if self._engine is None:
            self._engine = self._running.enter_context(choose_engine())
        return self._engine

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._running.close()
