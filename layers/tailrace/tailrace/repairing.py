"""Repair: what is different is written again, by the versioned path that every change takes.

Invariant: a repair writes what the table holds, one above the version that it replaces; where a change comes between,
the engine's refusal is settled by reading the item again, so a repair never undoes anything newer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.actions import Action, Planner
from tailrace.delivery import Delivery, DeliveryPolicy
from tailrace.differences import Kind
from tailrace.examining import Sighting, StrayDocument
from tailrace.expectations import scan_record
from tailrace.failures import ItemReadError
from tailrace.generations import build_index_request
from tailrace.outcomes import Outcome
from tailrace.ports import Clock, SearchEngine
from tailrace.records import NANOSECONDS, Image
from tailrace.sides import Address, Place, TableSide
from tailrace.tables import Tables

SECONDS_PER_ROUND = 60.0
MARGIN_SECONDS = 60.0  # a document that was never there is written as older than any change still on its way


@dataclass(frozen=True, slots=True)
class Repairer:
    """Repairs differences of the table called `name`. Keeps nothing between two calls."""

    tables: Tables
    name: str
    table: TableSide
    engine: SearchEngine
    clock: Clock

    def repair(self, sightings: Sequence[Sighting], places: Sequence[Place]) -> dict[int, str]:
        """Write what sightings with a kind call for; why not, by position, for those where it was refused.

        A document outside the indices that aliases write to is left: no alias leads there.
        """
        return _Round(self, sightings, {place.generation: place.alias for place in places if place.is_written}).run()


class _Round:
    def __init__(self, parts: Repairer, sightings: Sequence[Sighting], aliases: Mapping[str, str]) -> None:
        self._parts = parts
        self._sightings = sightings
        self._aliases = aliases
        self._planner = Planner(parts.tables)
        self._oldest = int((parts.clock.now() - MARGIN_SECONDS) * NANOSECONDS)

    def run(self) -> dict[int, str]:
        actions = [action for number in range(len(self._sightings)) for action in self._plan(number)]
        engine, clock = self._parts.engine, self._parts.clock
        deadline = clock.now() + SECONDS_PER_ROUND
        delivery = Delivery(
            engine,
            clock,
            DeliveryPolicy(),
            self._index_request,
            self._reread,
            deadline,
            self._may_quarantine,
            self._soften,
        )
        return {ending.action.record: ending.reason for ending in delivery.deliver(actions) if ending.reason}

    def _plan(self, number: int) -> Iterator[Action]:
        seen = self._sightings[number]
        if seen.expectation is not None and seen.item is not None and not isinstance(seen.subject, StrayDocument):
            version = seen.home.version + 1 if seen.home is not None else self._oldest
            yield from self._document(seen.key, seen.item, version, number)
        for address, standing in seen.strays.items():
            if address.generation in self._aliases:
                yield self._removal(seen, address, standing.version + 1, number)

    def _document(self, key: Image | None, item: Image, version: int, number: int) -> Iterator[Action]:
        plan = self._planner.plan(scan_record(self._parts.name, key or {}, item, version), number)
        if isinstance(plan, list):
            yield from plan

    def _removal(self, seen: Sighting, address: Address, version: int, number: int) -> Action:
        alias = self._aliases[address.generation]
        action = Action(alias, address.id, version, None, None, Outcome.DELETED, number)
        if seen.kind is Kind.FOREIGN or seen.key is None:
            return action
        return self._planner.absence(scan_record(self._parts.name, seen.key, None, version), action)

    def _reread(self, action: Action, version: int) -> Action | None:
        """The table's word on an action that met a newer document, to be written as `version`."""
        seen = self._sightings[action.record]
        if seen.key is None:
            return action._replace(version=version)
        try:
            [item] = self._parts.table.read([seen.key])
        except ItemReadError:
            return None
        if item is not None:
            for planned in self._document(seen.key, item, version, action.record):
                if (planned.alias, planned.id) == (action.alias, action.id):
                    return planned
        return self._planner.absence(scan_record(self._parts.name, seen.key, None, version), action)._replace(
            version=version
        )

    def _may_quarantine(self, _action: Action) -> bool:
        return self._planner.spec_of(self._parts.name).on_type_conflict == "quarantine"

    def _soften(self, action: Action) -> Action:
        seen = self._sightings[action.record]
        if seen.kind is Kind.FOREIGN or seen.key is None:
            return action
        return self._planner.soften(scan_record(self._parts.name, seen.key, None, action.version), action)

    def _index_request(self, alias: str, _action: Action) -> Mapping[str, Any]:
        return build_index_request(self._planner.spec_of(self._parts.name), alias)
