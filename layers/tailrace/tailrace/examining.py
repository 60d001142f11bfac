"""Looking closely: a suspected item or document is read again on both sides and judged.

Invariant: a look asks both sides anew and remembers nothing; what it saw comes with its verdict, so that two looks can
be compared and a repair knows what it replaces.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tailrace.contents import content_digest, differing_fields
from tailrace.differences import Difference, Kind
from tailrace.expectations import Expectation, Expectations
from tailrace.records import NANOSECONDS, Image
from tailrace.sides import Address, IndexSide, Place, Standing, TableSide
from tailrace.table_rules import Refusal

SETTLING_NS = 2 * NANOSECONDS  # settling writes a few nanoseconds above a change's own second, never seconds


class StrayDocument(NamedTuple):
    """A document that no item was seen to call for."""

    address: Address


Subject = Image | StrayDocument


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look saw. `kind` is None where nothing is wrong, or where the other direction counts it.

    `address` is the document's, or where it should be (an alias for the index where there is none yet); `home` is what
    stands where the item calls for it; `strays` are live documents that are too many; `state` is equal for two looks
    between which nothing changed.
    """

    subject: Subject
    kind: Kind | None
    address: Address
    key: Image | None
    item: Image | None
    expectation: Expectation | None
    home: Standing | None
    strays: Mapping[Address, Standing]
    state: tuple[Any, ...]
    fields: tuple[str, ...] = ()

    def as_difference(self, why: str = "") -> Difference:
        """As it is counted and shown. Only for a sighting with a kind."""
        assert self.kind is not None
        return Difference(self.kind, self.address.generation, self.address.id, self.fields, why)


class Examiner:
    """Looks at items and documents of one table."""

    def __init__(self, table: TableSide, index: IndexSide, expectations: Expectations, *, is_deep: bool) -> None:
        self.expectations = expectations
        self.is_deep = is_deep
        self._table = table
        self._index = index
        self.places: Sequence[Place] = ()
        self.find_places()

    def find_places(self) -> None:
        """Read anew which indices the table has: a type's first item makes one at any time."""
        self.places = self._index.places(self.expectations.spec)
        self.expectations.set_places(self.places)

    def read(self, addresses: Sequence[Address]) -> dict[Address, Standing]:
        """What stands at addresses; those where nothing stands are left out."""
        found = self._index.read(addresses, is_exact=self.is_deep) if addresses else []
        return {address: standing for address, standing in zip(addresses, found, strict=True) if standing is not None}

    def judge_home(self, expectation: Expectation, home: Standing | None) -> Kind | None:
        """What is wrong with the document at the place that its item calls for."""
        if home is None:
            return Kind.MISSING
        if home.is_deleted:
            return Kind.BURIED
        if home.digest != expectation.digest:
            return Kind.STALE
        return Kind.CORRUPT if self.digest_of(home) != expectation.digest else None

    def digest_of(self, standing: Standing) -> str | None:
        """The digest that a document carries; with `is_deep` another text unless it is that of its content, too."""
        content = content_digest(standing.document) if self.is_deep else standing.digest
        return standing.digest if content == standing.digest else f"{standing.digest} over {content}"

    def look(self, subjects: Sequence[Subject]) -> list[Sighting]:
        """One sighting for each subject, in order. Raises EngineError and ItemReadError."""
        self.find_places()
        strays = [subject for subject in subjects if isinstance(subject, StrayDocument)]
        keys = [subject for subject in subjects if not isinstance(subject, StrayDocument)]
        seen_strays, seen_items = iter(self._look_at_strays(strays)), iter(self._look_at_items(keys))
        return [next(seen_strays if isinstance(subject, StrayDocument) else seen_items) for subject in subjects]

    def _look_at_items(self, keys: Sequence[Image]) -> Iterable[Sighting]:
        items = self._read_items(keys)
        expected = [None if item is None else self.expectations.of(item) for item in items]
        standings = self.read([a for one in expected if isinstance(one, Expectation) for a in self._everywhere(one.id)])
        for key, item, one in zip(keys, items, expected, strict=True):
            yield self._judge_item(key, item, one, standings)

    def _judge_item(
        self, key: Image, item: Image | None, expected: Expectation | Refusal | None, found: Mapping[Address, Standing]
    ) -> Sighting:
        if not isinstance(expected, Expectation):
            kind = Kind.REFUSED if isinstance(expected, Refusal) else None
            why = (expected.reason,) if isinstance(expected, Refusal) else ()
            nowhere = Address(self.expectations.table, self.expectations.id_of_item(key))
            return Sighting(key, kind, nowhere, key, item, None, None, {}, (kind,), why)
        home = found.get(expected.address) if expected.address else None
        strays = self._live_elsewhere(expected, found)
        kind = self.judge_home(expected, home)
        if strays and kind in (
            Kind.MISSING,
            Kind.BURIED,
        ):  # strays beside a right document: the index's walk counts them
            kind = Kind.WRONG_INDEX
        fields: tuple[str, ...] = ()
        if kind in (Kind.STALE, Kind.CORRUPT) and home is not None and self.is_deep and content_digest(home.document):
            fields = differing_fields(home.document, expected.source)
        address = next(iter(strays)) if kind is Kind.WRONG_INDEX else expected.address
        address = address or Address(expected.alias, expected.id)
        return Sighting(key, kind, address, key, item, expected, home, strays, state_of(expected, home), fields)

    def _look_at_strays(self, strays: Sequence[StrayDocument]) -> Iterable[Sighting]:
        found = self.read([stray.address for stray in strays])
        keys = {stray: self._key_of(found.get(stray.address)) for stray in strays}
        known = [(stray, key) for stray, key in keys.items() if key is not None]
        items = dict(zip((stray for stray, _ in known), self._read_items([key for _, key in known]), strict=True))
        around = self.read([place for stray, _ in known for place in self._everywhere(stray.address.id)])
        for stray in strays:
            yield self._judge_stray(stray, keys[stray], items.get(stray), found.get(stray.address), around)

    def _judge_stray(
        self,
        stray: StrayDocument,
        key: Image | None,
        item: Image | None,
        standing: Standing | None,
        around: Mapping[Address, Standing],
    ) -> Sighting:
        expected = self.expectations.of(item) if item is not None else None
        wanted = expected if isinstance(expected, Expectation) else None
        kind = self._kind_of_stray(stray.address, key, wanted, standing, around)
        strays = {stray.address: standing} if kind is not None and standing is not None else {}
        state = (_state(standing), wanted and wanted.address)
        return Sighting(stray, kind, stray.address, key, item, wanted, None, strays, state)

    def _kind_of_stray(
        self,
        address: Address,
        key: Image | None,
        wanted: Expectation | None,
        standing: Standing | None,
        around: Mapping[Address, Standing],
    ) -> Kind | None:
        if standing is None or standing.is_deleted or (wanted is not None and wanted.address == address):
            return None
        if key is None:
            return Kind.FOREIGN
        if wanted is not None and wanted.id == address.id:
            home = around.get(wanted.address) if wanted.address else None
            return Kind.WRONG_INDEX if self.judge_home(wanted, home) is None else None
        others = [other for place, other in around.items() if place.id == address.id and place != address]
        return Kind.RESURRECTED if _is_resurrected(standing, others) else Kind.ORPHAN

    def _read_items(self, keys: Sequence[Image]) -> Sequence[Image | None]:
        return self._table.read(keys) if keys else []

    def _everywhere(self, id_: str) -> list[Address]:
        return [Address(place.generation, id_) for place in self.places]

    def _live_elsewhere(self, expected: Expectation, found: Mapping[Address, Standing]) -> dict[Address, Standing]:
        places = (place for place in self._everywhere(expected.id) if place != expected.address)
        return {place: found[place] for place in places if place in found and not found[place].is_deleted}

    def _key_of(self, standing: Standing | None) -> Image | None:
        key = standing.bookkeeping.get("key") if standing is not None else None
        return key if self.expectations.id_of(key) is not None else None


def addresses_of(expected: Iterable[Expectation | Refusal | None]) -> list[Address]:
    """Where the documents of some items should stand; those that call for none, or have no index yet, are left out."""
    return [one.address for one in expected if isinstance(one, Expectation) and one.address is not None]


def state_of(expected: Expectation, home: Standing | None) -> tuple[Any, ...]:
    """What must be the same in two looks at an item for its difference to count."""
    return (expected.digest, _state(home))


def _state(standing: Standing | None) -> tuple[Any, ...] | None:
    return None if standing is None else (standing.version, standing.is_deleted, standing.digest)


def _is_resurrected(standing: Standing, others: Iterable[Standing]) -> bool:
    """Whether the index knew of something newer than the change that this document tells of.

    Either its version lies above its own change, so that it was written over something newer, or the tombstone of a
    later change stands in another of the table's indices.
    """
    changed_at = _instant_of(standing.bookkeeping.get("changed_at"))
    if changed_at is not None and standing.version - changed_at >= SETTLING_NS:
        return True
    return any(other.is_deleted and _is_newer(other, standing) for other in others)


def _is_newer(one: Standing, other: Standing) -> bool:
    mine, theirs = one.bookkeeping.get("seq"), other.bookkeeping.get("seq")
    if mine is not None and theirs is not None:
        return int(mine) > int(theirs)
    return one.version > other.version


def _instant_of(text: Any) -> int | None:
    """Whole seconds of an ISO instant, in nanoseconds."""
    try:
        return int(datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp()) * NANOSECONDS
    except (TypeError, ValueError):
        return None
