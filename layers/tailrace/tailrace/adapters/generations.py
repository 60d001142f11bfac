"""Generations in OpenSearch: the real adapter of `swapping.GenerationStore`.

Invariant: whatever a kill leaves half done may be done again: what exists is not created twice, and what is gone is
not missed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from tailrace.adapters.opensearch import MAX_PATH_BYTES, OpenSearchEngine
from tailrace.chunking import chunk
from tailrace.failures import EngineError

CREATION_SECONDS = 120.0  # a loaded cluster takes its time for a new index or a swap


class OpenSearchGenerations:
    """The generations behind one engine. A serverless collection takes no settings, and is not refreshed."""

    def __init__(self, engine: OpenSearchEngine) -> None:
        self._engine = engine

    def read_aliases(self, alias: str) -> Mapping[str, frozenset[str]]:
        """See `swapping.GenerationStore.read_aliases`."""
        answer = self._ask("GET", f"/{_quote(alias)}@*/_alias")
        found = {name: frozenset(told.get("aliases", {})) for name, told in answer.items()}
        return {name: aliases for name, aliases in found.items() if name.rpartition("@")[0] == alias}

    def create(self, generation: str, request: Mapping[str, Any]) -> None:
        """See `swapping.GenerationStore.create`."""
        if self._engine.is_serverless:
            request = {name: part for name, part in request.items() if name != "settings"}
        try:
            self._engine.request("PUT", f"/{_quote(generation)}", request, CREATION_SECONDS)
        except EngineError as error:
            if error.error_type != "resource_already_exists_exception":
                raise

    def change_aliases(self, actions: Sequence[Mapping[str, Any]]) -> None:
        """See `swapping.GenerationStore.change_aliases`."""
        if actions:
            self._engine.request("POST", "/_aliases", {"actions": list(actions)}, CREATION_SECONDS)

    def change_settings(self, generations: Sequence[str], settings: Mapping[str, Any]) -> None:
        """See `swapping.GenerationStore.change_settings`."""
        if self._engine.is_serverless:
            return
        for path in _name_together(generations):
            self._engine.request("PUT", f"{path}/_settings", {"index": dict(settings)}, CREATION_SECONDS)

    def make_searchable(self, generations: Sequence[str]) -> None:
        """See `swapping.GenerationStore.make_searchable`.

        The cluster's health would tell, too: a right that shows every index.
        """
        if self._engine.is_serverless:
            return
        for path in _name_together(generations):
            self._make_searchable(path)

    def _make_searchable(self, path: str) -> None:
        shards = self._engine.request("POST", f"{path}/_refresh", None, CREATION_SECONDS).get("_shards", {})
        if shards.get("failed"):
            told = f"{shards['failed']} shards of {unquote(path[1:])} are not refreshed"
            raise EngineError(503, told, "partial_answer")
        # A refresh waits a minute for a primary shard, and is silent about one that did not come; a search is not.
        search = f"{path}/_search?size=0&allow_partial_search_results=false&filter_path=_shards"
        self._engine.request("POST", search, None, CREATION_SECONDS)

    def drop(self, generation: str) -> None:
        """See `swapping.GenerationStore.drop`."""
        self._ask("DELETE", f"/{_quote(generation)}")

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        """The answer; nothing where there is no such index."""
        try:
            return self._engine.request(method, path, None, CREATION_SECONDS)
        except EngineError as error:
            if error.status == 404:
                return {}
            raise


def _name_together(generations: Sequence[str]) -> Iterator[str]:
    """Paths of many generations each, none too long for a request."""
    for names in chunk(((name, len(_quote(name)) + 1) for name in generations), MAX_PATH_BYTES, MAX_PATH_BYTES):
        yield f"/{','.join(map(_quote, names))}"


def _quote(name: str) -> str:
    return quote(name, safe="")
