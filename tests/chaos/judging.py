"""Judging one schedule: the index through its read aliases against the table, and the dead letters against both.

Invariant: before the replay, what has a dead letter was refused for good, by the engine or by the proxy in its stead;
after it, an item has dead letters exactly when the index does not show what the table says, one of them for its last
change. (There are more when several of its last changes were refused: batches are replayed after letters.)
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from model.judging import Seen, parse, without_bookkeeping
from model.states import TableState
from model.tables import ALIASES
from model.wires import Change, Item, kinesis_record, stream_record

from chaos.world import POISON, World
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.deadletters import LETTERS_PREFIX
from tailrace.generations import generation_name

MAX_HITS = 10_000
Documents = dict[str, Any]


def find_wrong_letter(world: World) -> str | None:
    """What is wrong with the dead letters before any is replayed, None when nothing is."""
    letters = dict(_read_letters(world))
    if missing := world.lettered - letters.keys():
        return f"the changes {sorted(missing)} count as dead-lettered, and there is no letter"
    ids = {event_id: id_ for id_, changes in world.history.items() for each in changes for event_id in _event_ids(each)}
    for event_id, letter in letters.items():
        if not {event_id, ids[event_id]} & world.director.refused:
            return f"change {event_id} has a dead letter ({letter['reason']}), and nothing ever refused it"
    return None


def find_wrong(world: World, engine: OpenSearchEngine) -> str | None:
    """What is wrong in the end, None when nothing is. `engine` is asked directly, without the proxy."""
    if others := [key for key in world.bucket.letters if not key.startswith(LETTERS_PREFIX)]:
        return f"after the replay the bucket holds {others}"
    return _find_stray_index(world, engine) or _find_difference(world, _search(world, engine))


def _find_difference(world: World, seen: Seen) -> str | None:
    letters = {event_id for event_id, _ in _read_letters(world)}
    expected = _by_id(_expected(world, world.state.items))
    found = _by_id(seen)
    if strangers := found.keys() - world.history.keys():
        return f"{sorted(strangers)} are in the index, and nobody wrote them"
    for id_, changes in world.history.items():
        wanted, shown = expected.get(id_, {}), found.get(id_, {})
        told = f"{id_}: the table says {wanted}, the index shows {shown}"
        if wanted == shown and any(letters & _event_ids(change) for change in changes):
            return f"{told}, and a dead letter is left"
        if wanted != shown and not letters & _event_ids(changes[-1]):
            return f"{told}, and there is no dead letter for its last change"
        if wanted != shown and shown not in _states(world, id_, changes):
            return f"{told}, which the table never said"
    return None


def _find_stray_index(world: World, engine: OpenSearchEngine) -> str | None:
    legal = {generation_name(world.prefix + alias, 1) for alias in _aliases(world)}
    strays = set(list_indices(engine, world.prefix)) - legal
    return f"indices that nobody declared: {sorted(strays)}" if strays else None


def list_indices(engine: OpenSearchEngine, prefix: str) -> list[str]:
    """The names of all indices of a schedule."""
    return list(engine.request("GET", f"/{prefix}*/_settings?filter_path=*.settings.index.uuid&expand_wildcards=all"))


def _expected(world: World, items: Mapping[str, Item]) -> Seen:
    """What the read aliases must show. A field that may be quarantined is not among it."""
    kept = {id_: {n: v for n, v in item.items() if not _is_set_apart(world, n, v)} for id_, item in items.items()}
    return TableState(world.table, kept).expected()


def _is_set_apart(world: World, name: str, value: Item) -> bool:
    return world.may_quarantine and name == "born" and value == POISON


def _states(world: World, id_: str, changes: list[Change]) -> list[Documents]:
    """All that the index may have shown of one item on the way: each of its states, and nothing."""
    images = [{id_: change.new} for change in changes if change.new is not None]
    return [{}, *(_by_id(_expected(world, image)).get(id_, {}) for image in images)]


def _by_id(seen: Seen) -> dict[str, Documents]:
    by_id: dict[str, Documents] = {}
    for (alias, id_), source in seen.items():
        by_id.setdefault(id_, {})[alias] = source
    return by_id


def _search(world: World, engine: OpenSearchEngine) -> Seen:
    """All documents through the read aliases, with every digit."""
    names = ",".join(world.prefix + alias for alias in _aliases(world))
    engine.request("POST", f"/{names}/_refresh?ignore_unavailable=true")
    path = f"{engine.url}/{names}/_search?ignore_unavailable=true&size={MAX_HITS}"
    answer = requests.get(path, timeout=30)
    answer.raise_for_status()
    return {
        (hit["_index"].removeprefix(world.prefix).split("@")[0], hit["_id"]): without_bookkeeping(hit["_source"])
        for hit in parse(answer.content)["hits"]["hits"]
    }


def _aliases(world: World) -> list[str]:
    return [alias for alias, table in ALIASES.items() if table == world.table.name]


def _read_letters(world: World) -> Iterator[tuple[str, Any]]:
    """Every letter with the event id of its change."""
    for stored in world.bucket.list(LETTERS_PREFIX):
        letter = json.loads(world.bucket.letters[stored.key])
        yield letter["source"]["event_id"], letter


def _event_ids(change: Change) -> set[str]:
    """The event ids of one change, as the one stream and as the other tells it."""
    stream = stream_record(change)["eventID"]
    kinesis = json.loads(base64.b64decode(kinesis_record(change, 10**55)["kinesis"]["data"]))["eventID"]
    return {stream, kinesis}
