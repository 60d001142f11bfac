"""Swapping: which generation an alias names, changed for all aliases of a table in one step.

Invariant: every change of aliases is one request, and an alias that is searched always names exactly one generation.
The generation that is left stays as a shadow (`<alias>@previous`), so that a rollback finds it complete; it is dropped
later, in a request of its own, since an index that goes in the same one makes searches fail.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tailrace.generations import (
    TOMBSTONE_FILTER,
    build_index_request,
    generation_name,
    next_alias,
    previous_alias,
)
from tailrace.jobs import Move
from tailrace.mappings import build_settings
from tailrace.tables import TableSpec

HELD_SETTINGS = {"refresh_interval": "10s"}  # a swap takes far less; a job killed in it leaves searches this old
LOADING_SETTINGS = {"refresh_interval": "-1", "number_of_replicas": 0, "auto_expand_replicas": "false"}


class GenerationStore(Protocol):
    """The generations of the indices, as far as a reindex moves aliases between them."""

    def read_aliases(self, alias: str) -> Mapping[str, frozenset[str]]:
        """Each generation of an alias, by name, with all aliases that it has. Raises EngineError."""

    def create(self, generation: str, request: Mapping[str, Any]) -> None:
        """Create a generation unless it exists. Raises EngineError."""

    def change_aliases(self, actions: Sequence[Mapping[str, Any]]) -> None:
        """All actions in one step, or none. Raises EngineError."""

    def change_settings(self, generations: Sequence[str], settings: Mapping[str, Any]) -> None:
        """Dynamic index settings. Raises EngineError."""

    def make_searchable(self, generations: Sequence[str]) -> None:
        """Wait until every primary shard is there, then refresh all of them. Raises EngineError."""

    def drop(self, generation: str) -> None:
        """Delete a generation; one that is gone is no error. Raises EngineError."""


def choose_generation(alias: str, existing: Sequence[str]) -> str:
    """The name of the next generation. Never the first: that is what a live writer makes of an alias that it misses."""
    numbers = [int(name.rpartition("@")[2]) for name in existing]
    return generation_name(alias, max(numbers, default=1) + 1)


def build_next_request(spec: TableSpec, alias: str, job_id: str) -> dict[str, Any]:
    """The body of `PUT /<generation>` for a generation to be loaded: under `<alias>@next`, without refreshes and
    replicas, and with the job in `_meta.tailrace`.
    """
    request = build_index_request(spec, alias)
    request["settings"]["index"] |= LOADING_SETTINGS
    request["mappings"]["_meta"]["tailrace"]["job"] = job_id
    return request | {"aliases": {next_alias(alias): {}}}


def searching_settings(spec: TableSpec) -> dict[str, Any]:
    """What a loaded generation goes back to: the spec's own refreshes and replicas."""
    index = build_settings(spec)["index"]
    return {name: index[name] for name in ("refresh_interval", "auto_expand_replicas")}


def turn_searches(
    generations: GenerationStore, spec: TableSpec, moves: Sequence[Move], actions: Sequence[Mapping[str, Any]]
) -> None:
    """Change the aliases from what each move leaves to what it built, so that no search sees less than one before it.

    Generations refresh at moments of their own: a deletion that the left one shows would be unseen in the built one
    until its next refresh. So the left one is held as it is, and the built one is refreshed after that. Raises
    EngineError.
    """
    left = [move.left for move in moves if move.left]
    generations.change_settings(left, HELD_SETTINGS)
    try:
        generations.make_searchable([move.built for move in moves])
        generations.change_aliases(actions)
    finally:
        generations.change_settings(left, searching_settings(spec))


def swap_aliases(moves: Sequence[Move]) -> list[dict[str, Any]]:
    """The actions that make each alias name the generation built for it, and the one it leaves a shadow."""
    return [action for move in moves for action in _swap(move)]


def _swap(move: Move) -> list[dict[str, Any]]:
    leave = [
        {"remove": {"index": move.left, "alias": move.alias}},
        {"add": {"index": move.left, "alias": previous_alias(move.alias)}},
    ]
    searched = {"alias": move.alias, "filter": TOMBSTONE_FILTER, "is_write_index": True}
    return [
        *(leave if move.left else []),
        {"add": {"index": move.built} | searched},
        {"remove": {"index": move.built, "alias": next_alias(move.alias)}},
    ]


def roll_back_aliases(moves: Sequence[Move]) -> list[dict[str, Any]]:
    """The actions that undo a swap: the generation that was left is searched again, the built one is the shadow."""
    return [action for move in moves if move.left for action in _roll_back(move)]


def _roll_back(move: Move) -> list[dict[str, Any]]:
    return [
        {"remove": {"index": move.built, "alias": move.alias}},
        {"add": {"index": move.built, "alias": previous_alias(move.alias)}},
        {"remove": {"index": move.left, "alias": previous_alias(move.alias)}},
        {"add": {"index": move.left, "alias": move.alias, "filter": TOMBSTONE_FILTER, "is_write_index": True}},
    ]
