"""The index that every contestant writes to: Tailrace's mapping, every setting at its default, empty at the start.

Invariant: whatever happens in between, the index is deleted afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.samples import TABLES
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.generations import build_index_request
from tailrace.tables import load_tables

ALIAS, INDEX = "orders", "orders@000001"


@contextmanager
def fresh_index(url: str, documents: int | None = None) -> Iterator[None]:
    """The index, for one turn. Raises RuntimeError where it does not hold so many documents (None: any) at the end."""
    engine = OpenSearchEngine(url)
    engine.ensure_index(ALIAS, build_index_request(load_tables(TABLES).spec(ALIAS), ALIAS))
    try:
        yield
        if documents is not None:
            _refuse_missing(engine, documents)
    finally:
        engine.request("DELETE", f"/{INDEX}")


def _refuse_missing(engine: OpenSearchEngine, documents: int) -> None:
    engine.request("POST", f"/{INDEX}/_refresh")
    found = engine.request("GET", f"/{INDEX}/_count")["count"]
    if found != documents:
        raise RuntimeError(f"the index holds {found} documents instead of {documents}")
