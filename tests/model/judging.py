"""Judging: what an index shows in the end against what the tables say; here on the in-memory twin.

Invariant: the judge reads through the read aliases alone, as a user would, and compares whole documents.
"""

import json
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from model.own_tombstones import ForgettingTombstones
from model.steps import History, random_history
from model.tables import TABLES, model_specs
from model.world import World
from tailrace.adapters.memory import MemoryEngine

Seen = dict[tuple[str, str], Any]
TWIN_SPECS = model_specs("")


def history_of(seed: int) -> History:
    """The history of a seed."""
    return random_history(Random(seed), len(TABLES))


def judge_on_twin(history: History, engine: MemoryEngine | None = None) -> str | None:
    """What is wrong after the history on the in-memory twin; None when the index equals the tables."""
    engine = engine or MemoryEngine()
    world = World("h-", engine, ForgettingTombstones(engine), TWIN_SPECS)
    try:
        world.run(history)
    except Exception:  # noqa: BLE001 - whatever it is, it is the verdict
        return traceback.format_exc()
    return difference(world.expected(), _seen_in_twin(engine))


def judged_counts(history: History) -> Counter[str]:
    """What happened in a history, in numbers."""
    engine = MemoryEngine()
    world = World("h-", engine, ForgettingTombstones(engine), TWIN_SPECS)
    world.run(history)
    return world.counts


def difference(expected: Seen, seen: Seen) -> str | None:
    """The first difference in words, None when there is none."""
    for document in sorted(expected.keys() | seen.keys()):
        if expected.get(document) != seen.get(document):
            return f"{document}: the table says {expected.get(document)}, the index shows {seen.get(document)}"
    return None


def _seen_in_twin(engine: MemoryEngine) -> Seen:
    parsed = {document: parse(source) for document, source in engine.documents.items()}
    return {
        document: without_bookkeeping(source)
        for document, source in parsed.items()
        if not source["ddb"].get("deleted")
    }  # fmt: skip


def parse(text: bytes) -> Any:
    """JSON with every digit of its numbers."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def without_bookkeeping(source: Mapping[str, Any]) -> dict[str, Any]:
    """The item alone."""
    return {name: value for name, value in source.items() if name != "ddb"}


@dataclass(slots=True)
class Verdicts:
    """What a run of histories came to. `divergences` maps a seed to what was wrong."""

    histories: int = 0
    operations: int = 0
    divergences: dict[int, str] = field(default_factory=dict)
