"""The real judge: many histories at once on one OpenSearch, each in its thread, all compared by one search.

Invariant: a history's keys begin with its own tag, so that what it left behind is told apart from all others.
"""

import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import requests

from model.judging import Seen, difference, parse, without_bookkeeping
from model.own_tombstones import MAX_HITS, RefreshedTombstones
from model.shared_engine import SharedEngine
from model.steps import History
from model.tables import ALIASES, model_specs
from model.world import World
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.generations import build_index_request, generation_name

WAVE = 256  # histories at a time: as many bulk bodies go in one request


@dataclass(slots=True)
class Verdicts:
    """What a run of histories came to. `divergences` maps a seed to what was wrong."""

    histories: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    divergences: dict[int, str] = field(default_factory=dict)


Progress = Callable[[Verdicts], None]


def say_nothing(_verdicts: Verdicts) -> None:
    """No progress to be seen."""


class RealJudge:
    """Judges on `engine`, in indices whose names begin with `prefix`."""

    def __init__(self, engine: OpenSearchEngine, prefix: str) -> None:
        self._engine = engine
        self._prefix = prefix
        self._specs = model_specs(prefix)
        self._tombstones = RefreshedTombstones(engine)
        self._waves = 0
        self._create_indices()

    def judge(self, histories: Mapping[int, History], progress: Progress = say_nothing) -> Verdicts:
        """Judge the histories, named by their seeds; `progress` hears of every wave."""
        verdicts, seeds = Verdicts(), list(histories)
        for start in range(0, len(seeds), WAVE):
            self._judge_wave({seed: histories[seed] for seed in seeds[start : start + WAVE]}, verdicts)
            progress(verdicts)
        return verdicts

    def judge_one(self, history: History) -> str | None:
        """What is wrong after one history, None when nothing is."""
        return self.judge({0: history}).divergences.get(0)

    def delete_indices(self) -> None:
        """Leave nothing behind."""
        for alias in ALIASES:
            self._engine.request("DELETE", f"/{quote(generation_name(self._prefix + alias, 1))}")

    def _create_indices(self) -> None:
        """As the product would create them, but for what costs time and changes no result: an fsync per request."""
        for alias, table in ALIASES.items():
            name = self._prefix + alias
            self._engine.ensure_index(name, build_index_request(self._specs.spec(table), name))
        faster = {"index": {"translog": {"durability": "async"}}}
        self._engine.request("PUT", f"/{self._prefix}*/_settings", faster)

    def _judge_wave(self, histories: Mapping[int, History], verdicts: Verdicts) -> None:
        self._waves += 1
        wave = f"w{self._waves}-"
        shared = SharedEngine(self._engine, len(histories))
        worlds = {seed: World(f"{wave}{seed}-", shared, self._tombstones, self._specs) for seed in histories}
        threads = [
            threading.Thread(target=_run, args=(shared, worlds[seed], histories[seed], seed, verdicts))
            for seed in histories
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._compare(worlds, dict(self._search(wave)), verdicts)

    def _compare(self, worlds: Mapping[int, World], seen: Seen, verdicts: Verdicts) -> None:
        by_history: dict[str, Seen] = {world.tag: {} for world in worlds.values()}
        for (alias, id_), source in seen.items():
            tag = "-".join(str(source.get("id") or source.get("pk")).split("-")[:2]) + "-"
            by_history[tag][alias, id_] = source
        for seed, world in worlds.items():
            verdicts.histories += 1
            verdicts.counts.update(world.counts)
            if wrong := difference(world.expected(), by_history[world.tag]):
                verdicts.divergences.setdefault(seed, wrong)

    def _search(self, wave: str) -> Iterator[tuple[tuple[str, str], object]]:
        """All documents of a wave, through the read aliases."""
        names = ",".join(self._prefix + alias for alias in ALIASES)
        requests.post(f"{self._engine.url}/{self._prefix}*/_refresh", timeout=30).raise_for_status()
        body = {
            "size": MAX_HITS,
            "query": {"bool": {"should": [{"prefix": {"id": wave}}, {"prefix": {"pk": wave}}]}},
        }
        path = f"{self._engine.url}/{names}/_search?ignore_unavailable=true"
        answer = requests.post(path, json=body, timeout=30)
        answer.raise_for_status()
        hits = parse(answer.content)["hits"]["hits"]
        if len(hits) >= MAX_HITS:
            raise AssertionError("a wave leaves more documents than one search shows")
        for hit in hits:
            alias = hit["_index"].removeprefix(self._prefix).split("@")[0]
            yield (alias, hit["_id"]), without_bookkeeping(hit["_source"])


def _run(shared: SharedEngine, world: World, history: History, seed: int, verdicts: Verdicts) -> None:
    try:
        world.run(history)
    except Exception:  # noqa: BLE001 - whatever it is, it is this history's verdict
        verdicts.divergences[seed] = traceback.format_exc()
    finally:
        shared.leave()
