"""A searcher that never rests, and notes whatever no search may ever find.

Each round asks through the aliases: the anchors of each type (a count that never changes), all items (never fewer than
there were less those that were deleted), the deleted ones that a search has missed once (never found again), and the
deleted ones that are still found (not for long). Invariant: every answer is 200 with all shards; a violation is kept as
a sentence and the searches go on.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import requests

from reindexing.scenes import Scene

PAUSE_SECONDS = 0.02
IDS_AT_ONCE = 500
STALE_SECONDS = 20.0  # a delivered deletion is not searchable before a refresh, which a loaded engine delays
MOVE_SECONDS = 10.0
MOST_VIOLATIONS = 20


@dataclass(slots=True)
class Searcher:
    """`violations` are sentences; `seconds` how long each search took; `reborn` the deleted items that came back."""

    scene: Scene
    anchors: dict[str, int] = field(default_factory=dict)
    floor: int = 0
    violations: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    rounds: int = 0
    reborn: set[str] = field(default_factory=set)
    _fading: dict[str, float] = field(default_factory=dict)
    _known: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(1))
    _session: requests.Session = field(default_factory=requests.Session)

    def prepare(self) -> None:
        """Learn what there is before anything happens."""
        self.anchors = {alias: self._count(alias, {"term": {"anchor": True}}) for alias in self.scene.aliases}
        self.floor = self._count(",".join(self.scene.aliases), {"match_all": {}})
        assert all(self.anchors.values())

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Searches while the block lasts."""
        stopping = Event()
        thread = Thread(target=self._search_until, args=(stopping,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
            self._session.close()

    def _search_until(self, stopping: Event) -> None:
        while not stopping.is_set() and len(self.violations) < MOST_VIOLATIONS:
            self._check_anchors()
            self._check_floor()
            self._check_deleted()
            self.rounds += 1
            stopping.wait(PAUSE_SECONDS)

    def _check_anchors(self) -> None:
        for alias, expected in self.anchors.items():
            found = self._count(alias, {"term": {"anchor": True}})
            if found != expected:
                self._note(f"{alias} has {found} of its {expected} anchors")

    def _check_floor(self) -> None:
        since = time.time() - MOVE_SECONDS
        found = self._count(",".join(self.scene.aliases), {"match_all": {}})
        status = self.scene.control("status", deleted_after=self._known, moves_since=since)
        self._fading |= dict(status["deleted"])
        self._known += len(status["deleted"])
        least = self.floor - status["changes"].get("delete", 0) - status["moves"]
        if found < least:
            self._note(f"{found} items were found, and there are {least} at least")

    def _check_deleted(self) -> None:
        sample = self._random.sample(self.gone, min(IDS_AT_ONCE, len(self.gone)))
        for id_ in sorted(self._find(sample).keys() - self.reborn):
            self.reborn.add(id_)
            self._note(f"{id_} was deleted, then missed by a search, and is found again: {self._explain(id_)}")
        fading = list(self._fading)[:IDS_AT_ONCE]
        found = self._find(fading)
        for id_ in fading:
            if id_ not in found:
                self.gone.append(id_)
                del self._fading[id_]
            elif time.time() - self._fading[id_] > STALE_SECONDS:
                self._note(f"{id_} is found {STALE_SECONDS:.0f} seconds after its deletion was delivered")

    def _find(self, ids: list[str]) -> dict[str, str]:
        """Where each is found; nothing of those that are not."""
        query = {"size": IDS_AT_ONCE * 2, "_source": False, "query": {"ids": {"values": ids}}}
        answer = self._ask(",".join(self.scene.aliases), query) if ids else {}
        return {hit["_id"]: hit["_index"] for hit in answer.get("hits", {}).get("hits", [])}

    def _explain(self, id_: str) -> str:
        """What the table told of an item, and what stands in each generation now."""
        told = self.scene.control("history", id_=id_)["changes"]
        query = {"size": 20, "version": True, "_source": ["ddb"], "query": {"ids": {"values": [id_]}}}
        answer = self._session.post(f"{self.scene.engine_url}/{self.scene.prefix}*@*/_search", json=query, timeout=60)
        found = [(hit["_index"], hit["_version"], hit["_source"]["ddb"]) for hit in answer.json()["hits"]["hits"]]
        return f"{told} {found}"

    def _count(self, alias: str, query: dict[str, Any]) -> int:
        answer = self._ask(alias, {"size": 0, "track_total_hits": True, "query": query})
        total: int = answer.get("hits", {}).get("total", {}).get("value", -1)
        return total

    def _ask(self, alias: str, body: dict[str, Any]) -> dict[str, Any]:
        began_at = time.monotonic()
        response = self._session.post(f"{self.scene.engine_url}/{alias}/_search", json=body, timeout=60)
        self.seconds.append(time.monotonic() - began_at)
        answer: dict[str, Any] = response.json()
        if response.status_code != 200 or answer["timed_out"] or answer["_shards"]["failed"]:
            self._note(f"a search of {alias} was answered {response.status_code}: {str(answer)[:300]}")
            return {}
        return answer

    def _note(self, sentence: str) -> None:
        self.violations.append(f"{time.time():.1f} {sentence}")
